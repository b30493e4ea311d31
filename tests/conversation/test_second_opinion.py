"""Words that answer nothing are looked at once more, by who knows the answers."""

import asyncio
import logging

import pytest

from conversation.peers import Stage
from outdial.conversation import second_opinion
from outdial.conversation.second_opinion import SecondOpinion
from outdial.conversation.turn_words import NOTHING, Asked, Closed
from outdial.conversation.verb_results import Heard
from outdial.speech.base import Closest
from outdial.speech.by_utterance import ByUtterance

DAYS = Closed(language="en", answers=(("thursday",), ("friday",)))


class Ears:
    """Understands the same every time."""

    name = "ears"
    waited_ms = 0

    def __init__(self, text):
        self.words = text

    def recognition(self):
        return self

    def feed(self, pcm):
        self.fed = pcm

    async def text(self):
        return self.words

    async def partial(self):
        return self.words


class Expert:
    name, language = "expert", "en"

    def __init__(self, *, lead=1000.0, takes_s=0.05, fails=False):
        self.found = Closest(answer=0, fit=-45.0, lead=lead, alike=0.7, other_alike=0.3)
        self.takes_s = takes_s
        self.fails = fails
        self.asked = []

    def recognition(self):
        return self

    def feed(self, pcm):
        self.fed = pcm

    async def closest(self, answers, heard):
        self.asked.append((answers, heard))
        await asyncio.sleep(self.takes_s)
        if self.fails:
            raise RuntimeError("broke")
        return self.found


def asked(closed=DAYS, *, misheard=True):
    return Asked(closed=closed, may_be_misheard=lambda text: misheard)


async def opinion(text, expert, question):
    now_ms = lambda: round(asyncio.get_running_loop().time() * 1000)  # noqa: E731
    opinion = SecondOpinion(ByUtterance(Ears(text)), expert, lambda: question, now_ms)
    recognition = opinion.recognition(0)
    recognition.feed(b"audio")
    return await recognition.text(), opinion


async def test_a_misheard_answer_is_put_right_and_how_long_that_took_is_known():
    expert = Expert()
    text, given = await opinion("First thing.", expert, asked())
    assert text == "thursday"
    assert expert.asked == [(DAYS.answers, "First thing.")]
    assert expert.fed == b"audio"
    assert given.took_ms("thursday") >= 50
    assert not given.doubts("thursday")


@pytest.mark.parametrize("question", [NOTHING, asked(misheard=False)])
async def test_nobody_is_asked_where_words_were_understood_or_the_question_is_open(question):
    expert = Expert()
    text, given = await opinion("On Friday.", expert, question)
    assert (text, expert.asked, given.took_ms(text)) == ("On Friday.", [], None)


async def test_a_yes_that_is_hardly_ahead_of_a_no_is_doubtful():
    question = asked(Closed(language="en", answers=(("it is",), ("it isn't",)), yes_or_no=True))
    text, given = await opinion("Is this?", Expert(lead=20.0), question)
    assert text == "it is"
    assert given.doubts("it is")


@pytest.mark.parametrize("expert", [Expert(takes_s=5.0), Expert(fails=True)])
async def test_one_that_is_late_or_breaks_leaves_the_words_as_they_were(expert):
    began = asyncio.get_running_loop().time()
    text, given = await opinion("First thing.", expert, asked())
    assert text == "First thing."
    assert asyncio.get_running_loop().time() - began <= second_opinion.IN_TIME_S + 0.5
    assert not given.doubts(text)


async def test_in_another_language_there_is_none_which_is_said_once(monkeypatch, caplog):
    monkeypatch.setattr(second_opinion, "_told", set())
    question, expert = asked(Closed(language="es", answers=(("jueves",),))), Expert()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert (await opinion("Juegos.", expert, question))[0] == "Juegos."
    assert expert.asked == []
    assert [(record.message, record.language) for record in caplog.records] == [
        ("Second opinion unavailable in a language", "es")
    ]


async def test_without_an_expert_the_words_are_the_first_ones():
    assert (await opinion("First thing.", None, asked()))[0] == "First thing."


@pytest.mark.parametrize(
    ("closed", "lead", "doubtful"),
    [(DAYS, 1000.0, False), (Closed(language="en", answers=(("thursday",), ("no",)), yes_or_no=True), 20.0, True)],
)
async def test_on_a_call_the_agent_is_given_the_answer_as_early_as_if_it_had_been_understood(closed, lead, doubtful):
    heard = []

    async def agent(call):
        await call.say("Which day?")
        question = Asked(
            closed=closed,
            is_answer=lambda text: text == "thursday",
            may_be_misheard=lambda text: text != "thursday",
        )
        heard.append(await call.listen(asked=question))
        await call.say("Thank you.")

    stage = Stage(agent, closed=Expert(lead=lead))
    stage.at(2.0, stage.callee_says, "First thing.")
    await stage.run()
    assert heard == [Heard(text="thursday", doubtful=doubtful)]
    assert stage.notes.lines == ["agent: Which day?", "callee: thursday", "agent: Thank you."]
    latency = stage.notes.turns[-1].latency
    assert latency["second_opinion"] == pytest.approx(50, abs=10)
    assert latency["silence"] + latency["recognition"] <= 400
