"""A script on a live line, in virtual time: who speaks when, and what is taken for an answer."""

import asyncio
from itertools import pairwise

import pytest

from conversation.peers import Stage
from outdial.agents.script.parse import parse_script
from outdial.agents.script.run import run_script
from outdial.conversation.turn_words import Asked

VISIT = """
steps:
  a:
    ask: Which day would suit you for the visit?
    save_as: day
    wait_s: 5
    answers:
      - {name: thursday, words: [thursday]}
      - {name: friday, words: [friday]}
      - {name: other, words: any}
    no_reply: {retries: 0, then: b}
    goto: b
  b:
    ask: And what is your phone number?
    save_as: phone
    wait_s: 5
    max_digits: 10
    answers: [{digits: any}, {words: any}]
    no_reply: {retries: 0, then: c}
    goto: c
  c:
    hang_up: Thank you. Goodbye.
"""
CONSENT = """
steps:
  a:
    - say: Hello, this is Riverside Dental.
    - ask: >-
        I have you down for a cleaning on Tuesday the fourteenth at nine, which costs eighty dollars,
        do you agree to that?
      save_as: ans
      answers:
        - {name: yes, words: [yes], digits: [1]}
        - {name: no, words: [no], digits: [2]}
    - goto: c
  c:
    hang_up: Thank you. Goodbye.
"""
NEWS = """
steps:
  a:
    say: >-
      I am calling about the delivery of your washing machine which was planned for this week. The new date is the
      fourteenth of December.
    hang_up: Thank you. Goodbye.
"""


def on_stage(source):
    script = parse_script(source)
    stage = Stage(lambda call: run_script(script, call))
    stage.voice.first_s = 0.03
    return stage


async def noted(stage):
    await stage.run()
    return dict(stage.session.noted)


QUESTION_S = 0.03 + 0.06 * len("Which day would suit you for the visit?")


@pytest.mark.parametrize("pause_s", [0.4, 0.6, 0.9, 1.2])
@pytest.mark.parametrize("first", ["On, um", "I think", "Well, maybe"])
async def test_a_pause_in_an_answer_that_is_bound_to_go_on_does_not_end_it(first, pause_s):
    stage = on_stage(VISIT)
    stage.at(QUESTION_S + 0.5, stage.callee_says, first, 500)
    stage.at(QUESTION_S + 1.0 + pause_s, stage.callee_says, "Friday, please.")
    assert await noted(stage) == {"day": "friday"}


@pytest.mark.parametrize("pause_s", [0.4, 0.6, 0.9, 1.2])
@pytest.mark.parametrize(
    ("first", "then", "day"),
    [("Thursday.", "No, Friday.", {"thursday", "friday"}), ("The day after.", "I mean Friday.", {"friday"})],
)
async def test_who_goes_on_after_a_pause_answers_no_other_question(first, then, day, pause_s):
    stage = on_stage(VISIT)
    stage.at(QUESTION_S + 0.5, stage.callee_says, first, 600)
    stage.at(QUESTION_S + 1.1 + pause_s, stage.callee_says, then)
    values = await noted(stage)
    assert "phone" not in values
    assert values["day"] in day


async def test_a_whole_answer_is_taken_within_350_ms():
    stage = on_stage(VISIT)
    stage.at(QUESTION_S + 0.5, stage.callee_says, "Friday.", 600)
    await stage.run()
    answer = next(turn for turn in stage.notes.turns if turn.speaker == "callee")
    following = next(turn for turn in stage.notes.turns if turn.start_ms > answer.start_ms)
    assert following.start_ms - answer.end_ms <= 350 + 64


async def test_what_a_script_noted_for_an_answer_that_went_on_is_forgotten():
    source = VISIT.replace("goto: b\n  b:", "goto: x\n  x:\n    set: {seen: true}\n    goto: b\n  b:")
    stage = on_stage(source.replace("{name: friday, words: [friday]}", "{name: friday, words: [friday], goto: c}"))
    stage.at(QUESTION_S + 0.5, stage.callee_says, "Thursday.", 600)
    stage.at(QUESTION_S + 1.1 + 0.8, stage.callee_says, "or rather on Friday then.")
    values = await noted(stage)
    assert "phone" not in values


@pytest.mark.parametrize("word", ["Okay.", "Yeah.", "Right.", "Mhm.", "Hello, this is she."])
@pytest.mark.parametrize("at_s", [3.5, 4.5, 6.0])
async def test_a_listening_word_answers_no_question_before_it_was_asked(word, at_s):
    stage = on_stage(CONSENT)
    stage.at(at_s, stage.callee_says, word, 420 if len(word) < 8 else 1000)
    values = await noted(stage)
    assert "ans" not in values
    asked = [turn for turn in stage.notes.turns if turn.text.startswith("I have you down")]
    assert not asked[0].interrupted
    assert asked[0].text.endswith("do you agree to that?")


async def test_a_yes_to_what_was_asked_counts_though_the_last_words_are_still_said():
    stage = on_stage(CONSENT)
    end_s = 0.03 + 0.06 * 36 + 0.03 + 0.06 * 115
    stage.at(end_s - 0.5, stage.callee_says, "Yes, I do.", 600)
    assert (await noted(stage))["ans"] == "yes"


async def test_a_no_before_the_question_was_asked_is_one():
    stage = on_stage(CONSENT)
    stage.at(4.5, stage.callee_says, "No, I don't want that.", 1200)
    assert (await noted(stage))["ans"] == "no"


@pytest.mark.parametrize("word", ["Yeah.", "Okay.", "Mhm, mhm.", "I see.", "Door.", "There, too."])  # as misheard, too
@pytest.mark.parametrize("at_s", [2.0, 3.3, 5.1])
async def test_a_listening_word_over_a_statement_lets_it_go_on_where_it_was(word, at_s):
    stage = on_stage(NEWS)
    stage.at(at_s, stage.callee_says, word, 450)
    await stage.run()
    said = [turn for turn in stage.notes.turns if turn.speaker == "agent"]
    assert len(said) == 2
    assert not said[0].interrupted
    heard_s = 0.02 * sum(any(frame) for _, frame in stage.carrier.ear())
    spoken_s = 0.06 * sum(len(turn.text) for turn in said)
    assert spoken_s - 0.05 <= heard_s <= spoken_s + 0.35, "nothing is left out, and no more than a word said twice"


@pytest.mark.parametrize("words", ["Stop.", "No.", "What?", "Door, tour, there."])
async def test_a_word_to_whoever_speaks_and_more_than_two_of_any_stop_a_statement(words):
    stage = on_stage(NEWS)
    stage.at(3.3, stage.callee_says, words, 450)
    await stage.run()
    assert next(turn for turn in stage.notes.turns if turn.speaker == "agent").interrupted


async def test_silence_for_a_listening_word_ends_within_300_ms_after_it():
    stage = on_stage(NEWS)
    stage.at(3.0, stage.callee_says, "Yeah.", 450)
    await stage.run()
    times = [at for at, frame in stage.carrier.ear() if at > 3.0]
    resumed_s = next(later for at, later in pairwise(times) if later - at > 0.05)
    assert resumed_s <= 3.45 + 0.3


async def test_wait_a_moment_stops_a_statement_and_is_waited_for():
    stage = on_stage(NEWS)
    stage.at(3.0, stage.callee_says, "Wait a moment.", 800)
    stage.at(14.0, stage.callee_says, "Okay, I'm back.", 800)
    await stage.run()
    assert stage.notes.lines[1:3] == ["callee: Wait a moment.", "agent: Of course."]
    agent = [turn for turn in stage.notes.turns if turn.speaker == "agent"]
    assert agent[2].start_ms > 14_000
    assert agent[2].text.endswith("fourteenth of December.")


async def test_okay_hold_on_is_no_yes_and_is_waited_for():
    stage = on_stage(CONSENT)
    stage.at(10.0, stage.callee_says, "Okay, hold on.", 900)
    stage.at(22.0, stage.callee_says, "No.", 400)
    assert (await noted(stage))["ans"] == "no"
    assert "agent: Of course." in stage.notes.lines
    assert "agent: Are you still there?" not in stage.notes.lines


@pytest.mark.parametrize("words", ["Hold on. No, I don't agree.", "Let me see, maybe... no, I don't."])
async def test_an_answer_behind_a_wish_to_wait_is_not_waited_for(words):
    stage = on_stage(CONSENT)
    stage.at(10.0, stage.callee_says, words, 1500)
    assert (await noted(stage))["ans"] == "no"
    assert "agent: Of course." not in stage.notes.lines


async def test_who_stays_away_is_asked_gently_after_30_s():
    stage = on_stage(CONSENT)
    stage.at(10.0, stage.callee_says, "Just a second.", 900)
    stage.at(46.0, stage.callee_says, "Yes.", 400)  # they are there; it is no consent to what was asked before
    stage.at(55.0, stage.callee_says, "Yes.", 400)
    assert (await noted(stage))["ans"] == "yes"
    assert sum(line.startswith("agent: I have you down") for line in stage.notes.lines) == 2
    still = next(turn for turn in stage.notes.turns if turn.text == "Are you still there?")
    assert 41_000 <= still.start_ms <= 44_000


async def test_who_is_back_without_an_answer_is_asked_again():
    stage = on_stage(CONSENT)
    stage.at(10.0, stage.callee_says, "Just a second.", 900)
    stage.at(20.0, stage.callee_says, "Okay, I'm back.", 900)
    stage.at(32.0, stage.callee_says, "Yes.", 400)
    assert (await noted(stage))["ans"] == "yes"
    assert sum(line.startswith("agent: I have you down") for line in stage.notes.lines) == 2


async def test_spoken_digits_are_collected_until_they_are_whole():
    stage = on_stage("steps:\n" + VISIT[VISIT.index("  b:") :])
    stage.at(2.5, stage.callee_says, "Two oh two,", 700)
    stage.at(4.7, stage.callee_says, "five five five,", 700)
    stage.at(7.0, stage.callee_says, "oh one two three.", 800)
    values = await noted(stage)
    assert values["phone"] == "2025550123"
    answer = next(turn for turn in stage.notes.turns if turn.speaker == "callee")
    following = next(turn for turn in stage.notes.turns if turn.start_ms > answer.start_ms)
    assert following.start_ms - answer.end_ms <= 350 + 64


# -- who is near -----------------------------------------------------------------------------------------------


def television(stage, at_s, ms, text="And now the weather for tomorrow, no rain."):
    """Somebody speaks in the background, 20 dB below the callee."""
    stage.ears.words[200] = text
    stage.at(at_s, stage.carrier.say, 200, ms)


async def test_a_television_interrupts_no_statement():
    stage = on_stage(NEWS)
    television(stage, 1.0, 4000)
    await stage.run()
    assert not any(turn.interrupted for turn in stage.notes.turns)


async def test_a_television_is_no_answer_and_is_not_waited_for():
    stage = on_stage(VISIT.replace("wait_s: 5", "wait_s: 3", 1).replace("- {name: other, words: any}", ""))
    television(stage, QUESTION_S + 0.5, 8000)
    assert "day" not in await noted(stage)
    asked = next(turn for turn in stage.notes.turns if turn.text.startswith("Which day"))
    following = next(turn for turn in stage.notes.turns if turn.speaker == "agent" and turn.seq > asked.seq)
    assert following.start_ms - asked.end_ms < 6000


async def test_a_callee_before_a_television_is_heard_and_nobody_else():
    stage = on_stage(VISIT)
    television(stage, QUESTION_S + 0.3, 1500, "It may rain.")
    stage.at(QUESTION_S + 1.95, stage.callee_says, "Friday.", 600)
    television(stage, QUESTION_S + 2.55, 5000, "It may rain.")
    assert (await noted(stage))["day"] == "friday"
    words = [turn.text for turn in stage.notes.turns if turn.speaker == "callee" and "Friday." in turn.text]
    assert len(words) == 1
    assert words[0].startswith("Friday."), "what was said before by somebody else is left out"
    answer = next(turn for turn in stage.notes.turns if turn.text == words[0])
    following = next(turn for turn in stage.notes.turns if turn.speaker == "agent" and turn.start_ms > answer.start_ms)
    assert following.start_ms - answer.end_ms < 1000


async def test_once_the_callee_has_answered_a_voice_15_db_below_is_somebody_elses():
    stage = on_stage(VISIT)
    stage.at(QUESTION_S + 0.5, stage.callee_says, "Friday.", 600)
    television(stage, QUESTION_S + 4.5, 3000, "five five five one two three four five six seven")
    assert await noted(stage) == {"day": "friday"}
    assert all("five" not in turn.text for turn in stage.notes.turns)


async def test_an_utterance_is_committed_after_10_s():
    stage = on_stage(VISIT)
    stage.at(QUESTION_S + 0.5, stage.callee_says, "Well that depends.", 15_000)
    await stage.run()
    first = next(turn for turn in stage.notes.turns if turn.speaker == "callee")
    assert first.end_ms - first.start_ms <= 10_100


async def test_who_talks_on_and_on_does_not_keep_a_call_up():
    stage = on_stage(VISIT.replace("- {name: other, words: any}", ""))
    for number in range(60):
        stage.at(QUESTION_S + 0.5 + 1.9 * number, stage.callee_says, "Wonderful weather.", 1300)
    await stage.run()
    assert stage.now_s() < 60


# -- an agent that takes its time ------------------------------------------------------------------------------


class Slow:
    """Asks, thinks for so long, and answers."""

    def __init__(self, thinks_s, *, asked=None):
        self.thinks_s = thinks_s
        self.asked = asked or Asked(takes_back=True)
        self.heard = []
        self.said = []

    async def __call__(self, call):
        await call.say("What can I do for you?")
        self.heard.append(await call.listen(asked=self.asked))
        await asyncio.sleep(self.thinks_s)
        self.said.append(await call.say("Your order is on its way."))
        if self.said[-1].taken_back:
            self.heard.append(await call.listen(asked=self.asked))


@pytest.mark.parametrize(("thinks_s", "filled"), [(1.0, False), (3.0, True)])
async def test_who_waits_for_a_slow_agent_is_told_so_after_1200_ms(thinks_s, filled):
    agent = Slow(thinks_s)
    stage = Stage(agent)
    stage.at(2.0, stage.callee_says, "Where is my order?")
    await stage.run()
    assert ("agent: One moment, please." in stage.notes.lines) is filled
    if filled:
        answer = next(turn for turn in stage.notes.turns if turn.speaker == "callee")
        filler = next(turn for turn in stage.notes.turns if turn.text == "One moment, please.")
        assert 1500 <= filler.start_ms - answer.end_ms <= 1900


@pytest.mark.parametrize("at_s", [4.0, 4.9, 5.9])
async def test_what_is_said_while_an_agent_takes_its_time_is_kept(at_s):
    agent = Slow(4.0)
    stage = Stage(agent)
    stage.at(2.0, stage.callee_says, "Where is my order?")
    stage.at(at_s, stage.callee_says, "It has number five.")
    await stage.run()
    assert [said.taken_back for said in agent.said] == [True]
    assert [heard.text for heard in agent.heard] == ["Where is my order?", "Where is my order? It has number five."]


async def test_a_model_is_spoken_sentence_by_sentence_and_learns_what_was_heard():
    async def tokens():
        for text in ("Your order ", "is on its way. It ", "comes on Tuesday ", "or on Wednesday."):
            await asyncio.sleep(0.2)
            yield text

    async def agent(call):
        said.append(await call.say(tokens()))
        said.append(await call.say(tokens()))
        await call.listen()

    said = []
    stage = Stage(agent)
    stage.at(7.5, stage.callee_says, "I don't want it any more.")
    await stage.run()
    assert said[0].text == "Your order is on its way. It comes on Tuesday or on Wednesday."
    assert said[0].complete
    assert said[1].interrupted
    assert said[0].text.startswith(said[1].text)
    assert stage.voice.spoken[0] == "Your order is on its way."
