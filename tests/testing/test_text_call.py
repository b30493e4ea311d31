"""An agent tried on a call in memory."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from outdial.conversation.live_call import AgentCoroutine, LiveCall
from outdial.conversation.verb_results import CallEnded, Heard, TransferFailed
from outdial.conversation.warm import Warm
from outdial.telephony.state import EndedBy
from outdial.telephony.transfer import TransferOutcome
from outdial.testing.call_limits import CallLimits
from outdial.testing.callee import (
    CARRIER_REFUSES,
    HangsUp,
    Hears,
    Interrupts,
    Presses,
    Says,
    Silent,
    TransferEnds,
    Waits,
    WentWrong,
    find_words,
)
from outdial.testing.text_call import TextCall, hold_call


def held(agent: AgentCoroutine, call: TextCall) -> TextCall:
    asyncio.run(hold_call(agent, call))
    return call


async def greets(call: LiveCall) -> None:
    await call.say("Hello, this is Riverside Dental.")
    heard = await call.listen(max_digits=1)
    call.noted["answer"] = heard.text or heard.digits or "nothing"
    await call.say("Thank you. Goodbye.")
    await call.hang_up()


def test_a_call_in_memory_is_a_live_call():
    call: LiveCall = TextCall()
    assert call.last_event["payload"]["userNumber"] == call.user_id


@pytest.mark.parametrize(
    ("callee", "answer"),
    [
        ([Hears("riverside dental"), Says("Yes?"), Hears("goodbye")], "Yes?"),
        ([Presses("1")], "1"),
        ([Silent()], "nothing"),
        ([], "nothing"),
        ([Says("   "), Says("Yes?")], "Yes?"),
        ([Waits(5.9), Says("Yes?")], "Yes?"),
        ([Interrupts("Hello", says="Who is this?")], "Who is this?"),
        ([Interrupts("Hello", presses="1")], "1"),
    ],
)
def test_the_agent_hears_what_the_callee_does(callee, answer):
    call = held(greets, TextCall(callee))
    assert call.noted == {"answer": answer}
    assert call.ended_by is EndedBy.AGENT


def test_time_is_counted_and_not_waited_for():
    began = time.monotonic()
    call = held(greets, TextCall())
    assert 8_000 < call.now_ms < 12_000  # two sentences and six seconds of silence
    assert time.monotonic() - began < 1
    assert [(turn.speaker, turn.start_ms) for turn in call.turns] == [("agent", 0), ("agent", 32 * 65 + 6000)]


def test_who_interrupts_hears_no_more_of_it():
    async def agent(call: LiveCall) -> None:
        said = await call.say("One two three, four five.")
        call.noted.update(text=said.text, interrupted=said.interrupted, complete=said.complete)
        call.noted["heard"] = (await call.listen()).text

    call = held(agent, TextCall([Hears("one"), Interrupts("two three", says="Stop.")]))
    assert call.noted == {"text": "One two three", "interrupted": True, "complete": False, "heard": "Stop."}
    assert [turn.text for turn in call.turns] == ["One two three", "Stop."]
    with pytest.raises(WentWrong, match="the agent said nothing"):
        held(agent, TextCall([Interrupts("two three", says="Stop."), Hears("four five")]))


@pytest.mark.parametrize(
    ("interrupts", "heard", "interrupted"),
    [
        (Interrupts("One two", says="Mhm."), None, False),
        (Interrupts("One two", says="Okay."), None, False),
        (Interrupts("One two"), None, False),  # a cough
        (Interrupts("six"), None, False),
        (Interrupts("six", says="Okay."), "Okay.", True),  # to a question that was asked
        (Interrupts("One two", says="No."), "No.", True),
        (Interrupts(0.3, says="No."), "No.", True),
    ],
)
def test_who_only_listens_or_coughs_stops_nobody(interrupts, heard, interrupted):
    async def agent(call: LiveCall) -> None:
        said = await call.say("One two three, four five six?")
        call.noted.update(interrupted=said.interrupted, heard=(await call.listen()).text or None)

    call = held(agent, TextCall([interrupts]))
    assert call.noted == {"interrupted": interrupted, "heard": heard}
    said = [turn.text for turn in call.turns if turn.speaker == "callee"]
    assert said == ([interrupts.says] if interrupts.says else [])
    assert call.callee_responded is bool(interrupts.says)


def test_an_interruption_comes_after_so_much_of_what_the_agent_says():
    async def agent(call: LiveCall) -> None:
        await call.say("One two.")
        call.noted["heard"] = (await call.say("Three four five six seven eight.")).text

    assert held(agent, TextCall([Interrupts(1.5, says="No.")])).noted == {"heard": "Three four five"}
    assert held(agent, TextCall([Hears("four"), Interrupts(0.5, says="No.")])).noted == {"heard": "Three four five six"}

    async def listens(call: LiveCall) -> None:
        await agent(call)
        await call.listen()

    with pytest.raises(WentWrong, match=r"the agent doesn't speak for 20 s; it said “One two\. Three"):
        held(listens, TextCall([Interrupts(20.0, says="No.")]))


def test_pauses_take_their_time_and_nothing_of_what_is_said():
    async def agent(call: LiveCall) -> None:
        call.noted["heard"] = (await call.listen()).text

    call = held(agent, TextCall([Says(("I think", 0.9, "Friday."))]))
    assert call.noted == {"heard": "I think Friday."}
    assert call.now_ms == 600 + 15 * 65 + 900


def test_what_is_said_to_its_end_can_not_be_interrupted():
    async def agent(call: LiveCall) -> None:
        await call.say("This is important.", interruptible=False)

    with pytest.raises(WentWrong, match="said to its end") as wrong:
        held(agent, TextCall([Interrupts("this is", says="Wait.")]))
    assert wrong.value.line == 0


@pytest.mark.parametrize(
    ("callee", "line", "reason"),
    [
        ([Says("Hi"), Hears("your appointment")], 1, "the agent said “Thank you. Goodbye.”"),
        ([Hears("something else"), Says("Hi")], 0, "the agent said “Hello, this is Riverside Dental.”"),
        ([Interrupts("never said", says="Hi")], 0, "doesn't hear this"),
        ([Says("Hi"), Says("And another thing")], 1, "the call was over before this"),
        ([TransferEnds()], 0, "makes no transfer"),
        ([Hears("dental hello")], 0, "doesn't hear this"),  # in this order
        ([Hears("Dent")], 0, "doesn't hear this"),          # whole words
    ],
)
def test_a_line_that_does_not_come_about_is_told(callee, line, reason):
    with pytest.raises(WentWrong) as wrong:
        held(greets, TextCall(callee))
    assert wrong.value.line == line
    assert reason in wrong.value.reason


def test_the_callee_may_hang_up_and_then_every_verb_says_so():
    async def agent(call: LiveCall) -> None:
        try:
            await greets(call)
        except CallEnded:
            with pytest.raises(CallEnded):
                await call.say("Are you there?")
            raise

    call = held(agent, TextCall([HangsUp()]))
    assert call.ended_by is EndedBy.CALLEE
    assert not call.callee_responded


def test_a_pause_longer_than_the_agent_waits_for_is_silence_and_goes_on():
    async def agent(call: LiveCall) -> None:
        call.noted["heard"] = [await call.listen(no_reply_s=2.0) for _ in range(3)]

    call = held(agent, TextCall([Waits(5.0), Says("Here.")]))
    assert call.noted["heard"] == [Heard(silent=True), Heard(silent=True), Heard(text="Here.")]
    assert call.now_ms == 5_000 + 600 + 5 * 65


def test_keys_are_read_as_entries_and_typed_ahead():
    async def agent(call: LiveCall) -> None:
        call.noted["entries"] = [(await call.listen(max_digits=digits)).digits for digits in (1, 2, 6)]

    call = held(agent, TextCall([Presses("123"), Presses("45#")]))
    assert call.noted["entries"] == ["1", "23", "45"]


def test_keys_nobody_asked_for_are_lost():
    async def agent(call: LiveCall) -> None:
        call.noted["first"] = (await call.listen()).silent
        call.noted["second"] = (await call.listen(max_digits=1)).silent

    call = held(agent, TextCall([Presses("1")]))
    assert call.noted == {"first": True, "second": True}
    assert call.callee_responded


def transfers(failed: str | None) -> AgentCoroutine:
    async def agent(call: LiveCall) -> None:
        if call.failed_transfer:
            call.noted["back"] = (call.failed_transfer.step, call.last_event["type"], call.last_event["payload"]["to"])
            await call.say("Nobody is there.")
            await call.hang_up()
        try:
            await call.transfer("+12025550111", failed=failed)
        except TransferFailed as error:
            call.noted["refused"] = error.error.code

    return agent


@pytest.mark.parametrize(
    ("line", "failed", "transferred", "noted"),
    [
        ([], None, True, {}),
        ([TransferEnds()], "sorry", True, {}),
        ([TransferEnds(TransferOutcome.BUSY)], None, False, {}),
        ([TransferEnds(TransferOutcome.BUSY)], "sorry", False, {"back": ("sorry", "transfer_failed", "+12025550111")}),
        ([TransferEnds(CARRIER_REFUSES)], "sorry", False, {"refused": "carrier_refused"}),
    ],
)
def test_a_transfer_ends_as_its_line_says(line, failed, transferred, noted):
    call = held(transfers(failed), TextCall(line))
    assert (call.transferred, call.transferred_to, call.noted) == (transferred, "+12025550111", noted)
    assert call.ended_by is EndedBy.AGENT


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (CallLimits(verbs=50), "on and on"),
        (CallLimits(seconds=60), "longer than 60 s"),
        (CallLimits(is_over=lambda: True), "took too long"),
    ],
)
def test_an_agent_that_goes_round_in_circles_is_ended(limits, reason):
    async def agent(call: LiveCall) -> None:
        while True:
            await call.say("Hello?")
            await call.listen()

    with pytest.raises(WentWrong, match=reason) as wrong:
        held(agent, TextCall([], limits=limits))
    assert wrong.value.line is None


def test_an_open_call_stops_where_the_callee_is_awaited():
    call = held(greets, TextCall([], is_open=True))
    assert call.awaits_callee
    assert call.ended_by is None
    call = held(greets, TextCall([Says("Hi")], is_open=True))
    assert not call.awaits_callee
    assert call.ended_by is EndedBy.AGENT


def test_a_stream_of_texts_is_said_as_one():
    async def agent(call: LiveCall) -> None:
        async def texts() -> AsyncIterator[str]:
            yield "Hello, "
            yield "you."

        await call.say(texts())  # type: ignore[arg-type]  # a text in memory may come in pieces

    assert [turn.text for turn in held(agent, TextCall([Hears("hello you")])).turns] == ["Hello, you."]


def test_digits_that_are_sent_are_kept():
    async def agent(call: LiveCall) -> None:
        await call.send_digits("12w#")

    assert held(agent, TextCall()).sent_digits == ["12w#"]


@pytest.mark.parametrize(
    ("text", "words", "end"),
    [("Is it Jane's?", "jane's", 12), ("Hello, you", "hello you", 10), ("abc", "ab", None), ("abc", "?!", None)],
)
def test_words_are_found_whatever_stands_between_them(text, words, end):
    assert find_words(text, words) == end


@pytest.mark.parametrize(
    ("text", "into", "says", "told", "heard"),
    [
        ("I have a message for you.", "a message", "Mhm.", "I have a message for you.", None),
        ("I have a message for you.", "for", "Okay.", "I have a message for you.", None),
        ("I have a message for you.", "a message", "Wait a moment.", "I have a message", "Wait a moment."),
        ("Can you come on Monday?", "Can you", "Okay.", "Can you come on Monday?", None),
        ("Can you come on Monday?", "come on", "Okay.", "Can you come on", "Okay."),
    ],
)
def test_who_only_listens_interrupts_nobody(text, into, says, told, heard):
    async def agent(call):
        said = await call.say(text)
        call.noted.update(told=said.text, heard=(await call.listen(no_reply_s=1)).text or None)

    call = held(agent, TextCall([Interrupts(into, says=says)]))
    assert call.noted == {"told": told, "heard": heard}
    assert [turn.text for turn in call.turns if turn.speaker == "callee"] == [says]


@pytest.mark.parametrize(
    ("line", "transferred", "noted"),
    [
        ([], True, {}),
        ([TransferEnds(TransferOutcome.VOICEMAIL)], False, {"back": "voicemail"}),
        ([TransferEnds(CARRIER_REFUSES)], False, {"back": "failed"}),
    ],
)
def test_who_is_asked_first_takes_the_call_or_does_not(line, transferred, noted):
    async def agent(call):
        try:
            await call.transfer("+12025550111", warm=Warm(brief="Jane."))
        except TransferFailed as failed:
            call.noted["back"] = failed.result.value

    call = held(agent, TextCall(line))
    assert (call.transferred, call.noted) == (transferred, noted)
