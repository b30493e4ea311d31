"""What somebody outside wants of a live call: said, pressed or transferred between the agent's utterances."""

import asyncio

import pytest

from conversation.peers import MS_PER_CHAR, Stage, refused, speech_ms
from outdial.conversation.commands import CommandRefused, Say, SendDigits, SetVariables, Transfer
from outdial.conversation.session_end import SessionEnd
from outdial.media import tones
from outdial.media.frames import frames, silence
from outdial.telephony.failures import FailureCode
from outdial.telephony.state import EndReason

GREETING = "Hello Jane, this is the assistant of the clinic in Main Street."  # 3.78 s
QUESTION = "Can you make it on Monday?"                                       # 1.56 s
NEWS = "Your doctor is late today."                                           # 1.56 s


class Outside:
    """Somebody who wants something, and what they were answered."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.answers: list[object] = []
        self.tasks: list[asyncio.Task[None]] = []

    def wants(self, at_s: float, command: object) -> None:
        self.stage.at(at_s, lambda: self.tasks.append(asyncio.create_task(self._ask(command))))

    async def _ask(self, command) -> None:
        try:
            self.answers.append(await self.stage.session.carry_out(command))
        except CommandRefused as refused:
            self.answers.append(refused.code)


async def ask(call):
    await call.say(GREETING)
    heard = await call.listen(no_reply_s=4)
    await call.say("Thank you." if heard.text else "Nobody there?")


async def test_a_sentence_waits_for_the_end_of_the_agents():
    stage = Stage(ask)
    outside = Outside(stage)
    outside.wants(1.0, Say(text=NEWS))
    stage.at(7.0, stage.callee_says, "Yes, fine.")
    assert (await stage.run()).error is None
    assert stage.notes.lines == [
        f"agent: {GREETING}",
        f"agent: {NEWS}",
        "callee: Yes, fine.",
        "agent: Thank you.",
    ]
    assert outside.answers == [{"played_ms": speech_ms(NEWS), "complete": True}]
    greeting, news = stage.notes.turns[:2]
    assert 0 <= news.start_ms - greeting.end_ms < 100
    assert not greeting.interrupted


async def test_an_urgent_sentence_cuts_the_agents_short():
    stage = Stage(ask)
    outside = Outside(stage)
    outside.wants(1.0, Say(text=NEWS, interrupt=True))
    await stage.run()
    greeting, news = stage.notes.turns[:2]
    assert greeting.interrupted
    assert GREETING.startswith(greeting.text)
    assert len(greeting.text) < len(GREETING)
    assert 1000 <= news.start_ms < 1100
    assert not news.interrupted


async def test_listening_starts_anew_after_a_sentence_from_outside():
    stage = Stage(ask)
    outside = Outside(stage)
    outside.wants(7.0, Say(text=NEWS))  # 3.2 s of 4 have passed in silence
    await stage.run()
    _, news, last = stage.notes.turns
    assert last.text == "Nobody there?"
    assert last.start_ms - news.end_ms == pytest.approx(4000, abs=100)


async def test_a_sentence_waits_for_the_end_of_the_callees_and_the_agent_hears_both():
    stage = Stage(ask)
    outside = Outside(stage)
    stage.at(4.5, stage.callee_says, "Well, I would rather come on Tuesday.")  # 2.22 s
    outside.wants(5.0, Say(text=NEWS))
    await stage.run()
    assert stage.notes.lines == [
        f"agent: {GREETING}",
        "callee: Well, I would rather come on Tuesday.",
        f"agent: {NEWS}",
        "agent: Thank you.",
    ]


async def test_a_sentence_waits_for_a_callee_who_has_just_interrupted():
    async def agent(call):
        assert (await call.say(GREETING)).interrupted
        assert (await call.listen()).text == "Stop, who is this? Tell me now."
        await call.say("The clinic.")

    stage = Stage(agent)
    outside = Outside(stage)
    stage.at(2.5, stage.callee_says, "Stop, who is this? Tell me now.")  # 1.86 s; barges in after 0.3 s
    outside.wants(2.7, Say(text=NEWS))
    assert (await stage.run()).error is None
    assert [line.partition(":")[0] for line in stage.notes.lines] == ["agent", "callee", "agent", "agent"]
    assert stage.notes.turns[2].start_ms >= stage.notes.turns[1].end_ms


async def test_an_agent_that_thinks_waits_with_its_next_words():
    async def agent(call):
        await call.say(QUESTION)
        await asyncio.sleep(0.5)
        await call.say("Goodbye.")

    stage = Stage(agent)
    outside = Outside(stage)
    outside.wants(2.0, Say(text=NEWS))
    await stage.run()
    assert stage.notes.lines == [f"agent: {QUESTION}", f"agent: {NEWS}", "agent: Goodbye."]


async def test_sentences_from_outside_are_said_in_their_order_and_what_was_asked_late_is_refused():
    stage = Stage(ask)
    outside = Outside(stage)
    for at_s, text in ((1.0, "One."), (1.1, "Two."), (1.2, "Three.")):
        outside.wants(at_s, Say(text=text))
    stage.at(4.45, stage.carrier.stop)  # in the middle of the third
    await stage.run()
    await asyncio.gather(*outside.tasks)
    assert stage.notes.lines[1:3] == ["agent: One.", "agent: Two."]
    assert [isinstance(answer, dict) for answer in outside.answers] == [True, True, False]
    assert outside.answers[-1] == "call_ended"


async def test_digits_from_outside_are_heard_after_the_agent_has_finished():
    stage = Stage(ask)
    outside = Outside(stage)
    outside.wants(1.0, SendDigits(digits="4w2"))
    await stage.run()
    pcm = tones.dtmf("4", 100) + silence(100) + silence(500) + tones.dtmf("2", 100) + silence(100)
    heard = b"".join(frame for _, frame in stage.carrier.ear())
    assert heard.count(b"".join(frames(pcm))) == 1
    assert stage.notes.events == [("digits_sent", {"count": 3})]
    assert outside.answers == [{}]


async def test_a_transfer_from_outside_ends_the_agents_part():
    stage = Stage(ask)
    outside = Outside(stage)
    outside.wants(1.0, Transfer(to="+15550003"))
    end = await stage.run()
    assert end == SessionEnd(
        end_reason=EndReason.COMPLETED, still_up=False, transferred=True, callee_responded=False
    )
    assert stage.switch.transfers == ["+15550003"]
    assert stage.now_s() < 1.5


async def test_the_stream_that_ends_before_the_transfers_answer_is_no_end_of_the_call():
    stage = Stage(ask)
    outside = Outside(stage)
    outside.wants(1.0, Transfer(to="+15550003"))
    stage.at(1.1, stage.carrier.stop)
    end = await stage.run()
    assert end.transferred


async def test_a_refused_transfer_changes_nothing_and_says_why():
    stage = Stage(ask)
    stage.switch.refuses = refused(FailureCode.WRONG_CALL_STATE, "The call is not in progress.")
    outside = Outside(stage)
    outside.wants(1.0, Transfer(to="+15550003"))
    end = await stage.run()
    assert outside.answers == ["carrier_refused"]
    assert end.end_reason is EndReason.COMPLETED
    assert not end.transferred
    assert stage.notes.lines == [f"agent: {GREETING}", "agent: Nobody there?"]


async def test_variables_are_the_agents_at_once():
    seen = []

    async def agent(call):
        await call.say(QUESTION)
        seen.append(call.noted)

    stage = Stage(agent)
    outside = Outside(stage)
    outside.wants(0.5, SetVariables(values={"day": "Tuesday"}))
    await stage.run()
    assert seen == [{"day": "Tuesday"}]
    assert stage.notes.events == [("variables", {"names": ["day"]})]


async def test_nothing_can_be_asked_of_a_call_without_a_conversation():
    stage = Stage(ask)
    with pytest.raises(CommandRefused) as refused:
        await stage.session.carry_out(Say(text=NEWS))
    assert refused.value.code == "call_not_in_progress"
    await stage.run()
    stage.media_line.close()
    with pytest.raises(CommandRefused) as refused:
        await stage.session.carry_out(Say(text=NEWS))
    assert refused.value.code == "call_ended"


async def test_what_cannot_be_spoken_is_told_and_the_agent_goes_on():
    stage = Stage(ask)
    outside = Outside(stage)
    stage.at(3.9, setattr, stage.voice, "fails_after", 0)
    outside.wants(4.0, Say(text=NEWS))
    stage.at(5.0, setattr, stage.voice, "fails_after", None)
    end = await stage.run()
    assert outside.answers == ["speech_failed"]
    assert end.error is None
    assert stage.notes.lines[-1] == "agent: Nobody there?"


def test_the_voice_speaks_as_reckoned_here():
    assert MS_PER_CHAR * len(GREETING) == 3780
