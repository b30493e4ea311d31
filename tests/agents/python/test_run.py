"""Agents in Python on a phone in memory: what every agent owes its callees, whatever the coroutine does."""

import asyncio
import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

import pytest

from outdial import Call, CallEnded, agent
from outdial.agents.python import call as python_call
from outdial.agents.python.definition import PythonAgent
from outdial.conversation.call_facts import MachinePolicy
from outdial.conversation.session_end import SessionEnd
from outdial.conversation.verb_results import SpeechFailed, TransferFailed
from outdial.conversation.warm import Warm
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import EndedBy, EndReason
from outdial.testing import Phone, run

DESK = "+12025550177"
SECRET = "my word is gooseberry"


def talk(
    what: PythonAgent, callee: Callable[[Phone], object] = lambda phone: phone.greets("Hello?"), **given: object
) -> tuple[Phone, SessionEnd]:
    async def call() -> tuple[Phone, SessionEnd]:
        max_s = given.pop("max_duration_s", 600.0)
        phone = Phone(what, variables=given, max_duration_s=max_s)
        callee(phone)
        return phone, await phone.talk()

    return run(call())


def says(*lines: str) -> Callable[[Phone], object]:
    def callee(phone: Phone) -> None:
        phone.greets("Hello?")
        for line in lines:
            phone.says(line)

    return callee


# -- what comes with being an agent ----------------------------------------------------------------------------


@agent(
    machine={"action": "leave_message", "message": "Hello {user_name|there}, please call us."},
    do_not_call={"say": "You won't hear from us, {user_name|friend}.", "words": ["lose my digits"]},
    transfers=[DESK, "{sales}"],
)
async def listener(call: Call, user_name: str = "there", sales: str = "") -> Literal["heard"]:
    await call.say(f"Hello {user_name}. What can I do for you?")
    heard = await call.listen()
    call.noted["said"] = heard.text or heard.digits
    await call.say("Thank you. Goodbye!")
    return "heard"


def test_the_agent_waits_for_hello_listens_and_names_its_outcome():
    phone, end = talk(listener, says("A table for two, please."), user_name="Jane")
    assert phone.lines == [
        "callee: Hello?",
        "agent: Hello Jane. What can I do for you?",
        "callee: A table for two, please.",
        "agent: Thank you. Goodbye!",
    ]
    assert phone.noted == {"said": "A table for two, please.", "outcome": "heard"}
    assert (end.end_reason, end.ended_by, end.error) == (EndReason.COMPLETED, EndedBy.AGENT, None)


@pytest.mark.parametrize("wish", ["Don't call me again.", "Lose my digits, please.", "Take me off your list."])
def test_who_wants_no_more_calls_is_promised_that_and_asked_nothing_further(wish):
    phone, end = talk(listener, says(wish), user_name="Jane")
    assert phone.noted == {"do_not_call": True}
    assert phone.lines[-1] == "agent: You won't hear from us, Jane."
    assert end.end_reason is EndReason.COMPLETED


def test_the_wish_counts_in_the_first_words_and_after_goodbye():
    phone, _ = talk(listener, lambda phone: phone.greets("Stop calling me."))
    assert phone.noted == {"do_not_call": True}
    phone, _ = talk(listener, says("Nothing.", "And don't call me again."))
    assert phone.noted["do_not_call"] is True


def test_silence_is_asked_about_once_and_comes_to_an_end():
    phone, end = talk(listener)
    assert phone.lines[2:] == ["agent: Are you still there?", "agent: I'm sorry, I can't hear you. Goodbye."]
    assert "said" not in phone.noted
    assert end.end_reason is EndReason.COMPLETED


def test_a_machine_hears_the_message():
    def machine(phone: Phone) -> None:
        phone.greets("You have reached Jane. Please leave a message after the tone.", lasts_ms=4000)

    phone, end = talk(listener, machine, user_name="Jane")
    assert phone.lines[-1] == "agent: Hello Jane, please call us."
    assert end.message_delivered is True


def test_what_a_caller_of_the_phone_says_of_machines_comes_first():
    async def call() -> bool:
        phone = Phone(listener, machine=MachinePolicy(action="hang_up"))
        phone.greets("You have reached Jane. Please leave a message after the tone.", lasts_ms=4000)
        return (await phone.talk()).end_reason is EndReason.MACHINE

    assert run(call())


# -- transfers -------------------------------------------------------------------------------------------------


def transferring(to: str, **declared: object) -> PythonAgent:
    @agent(transfers=[DESK, "{sales}"], **declared)  # type: ignore[call-overload]
    async def clerk(call: Call, sales: str = "+1 (202) 555-0188") -> None:
        call.noted["sales"] = "+12025550199"  # what a callee dictated
        await call.transfer(to)

    return clerk


@pytest.mark.parametrize("to", [DESK, "+1 202-555-0177", "+12025550188"])
def test_declared_numbers_are_dialled(to):
    phone, _ = talk(transferring(to))
    assert phone.transferred_to == [to.replace(" ", "").replace("-", "")]


@pytest.mark.parametrize("warm", ["Jane is on the line.", Warm(brief="Jane is on the line.", wait_s=20)])
def test_somebody_is_asked_first_with_a_brief_alone_or_more(warm):
    @agent(transfers=[DESK])
    async def clerk(call: Call) -> None:
        await call.transfer(DESK, warm=warm)

    phone, end = talk(clerk)
    assert phone.asked == [(DESK, "Jane is on the line.")]
    assert (end.transferred, phone.transferred_to) == (True, [])


def test_a_number_that_came_with_the_call_is_dialled():
    phone, _ = talk(transferring("+12025550166"), sales="+12025550166")
    assert phone.transferred_to == ["+12025550166"]


@pytest.mark.parametrize("to", ["+12025550199", "+442079460000", "", "nobody", "12025550177"])
def test_no_other_number_is(to):
    phone, end = talk(transferring(to))
    assert phone.transferred_to == []
    assert end.error is not None
    assert end.error.code is FailureCode.AGENT_FAILED
    assert not to or to not in end.error.message


def test_a_transfer_that_the_carrier_refuses_is_apologised_for():
    class Refusing(Phone):
        async def transfer(self, to: str, *, failed: str | None) -> None:
            raise TransferFailed(CallError(code=FailureCode.CARRIER_REFUSED, message="No."))

    async def call() -> tuple[Phone, SessionEnd]:
        phone = Refusing(transferring(DESK))
        return phone, await phone.talk()

    phone, end = run(call())
    assert phone.lines == ["agent: I'm sorry, I can't put you through right now. Goodbye."]
    assert (end.end_reason, end.error) == (EndReason.COMPLETED, None)


# -- questions -------------------------------------------------------------------------------------------------


@agent
async def asker(call: Call) -> str | None:
    answer = await call.ask(
        "Are you {coming}?", {"yes": "yes", "later": ["call me later", "not {now}"]}, keys={"1": "yes"}
    )
    call.noted["zip"] = await call.ask_for("Which ZIP?", "digits(5)", read_back=False)
    return answer


@pytest.mark.parametrize(
    ("lines", "noted"),
    [
        (["Yes, I am.", "Nine oh two one oh."], {"zip": "90210", "outcome": "yes"}),
        (["Call me later.", "90210"], {"zip": "90210", "outcome": "later"}),
        (["Hold on.", "Yes, I am.", "90210"], {"zip": "90210", "outcome": "yes"}),
        (["Elephants.", "Elephants.", "90210"], {"zip": "90210"}),
        (["Yes.", "No idea.", "No idea."], {"zip": None, "outcome": "yes"}),
    ],
)
def test_questions_are_asked_as_in_scripts(lines, noted):
    phone, end = talk(asker, says(*lines))
    assert phone.noted == noted
    assert phone.lines[1] == "agent: Are you {coming}?", "braces of a coroutine's text are no variables"
    assert end.error is None


def test_keys_answer_a_question():
    phone, _ = talk(asker, lambda phone: (phone.presses("1", after="coming"), phone.presses("90210", after="ZIP")))
    assert phone.noted == {"zip": "90210", "outcome": "yes"}


def test_a_wrong_number_ends_the_call_and_is_its_outcome():
    phone, _ = talk(asker, says("You have the wrong number."))
    assert phone.noted["outcome"] == "wrong_number"


def test_a_question_that_nobody_answers_ends_the_call():
    phone, end = talk(asker)
    assert phone.lines[-1] == "agent: I'm sorry, I can't hear you. Goodbye."
    assert (end.end_reason, end.error) == (EndReason.COMPLETED, None)


# -- what goes wrong -------------------------------------------------------------------------------------------


async def broken(call: Call) -> None:
    await call.say("Go on.")
    heard = await call.listen()
    int(heard.text)


async def leaving(call: Call) -> None:
    sys.exit(3)


async def cancelled(call: Call) -> None:
    task = asyncio.ensure_future(asyncio.sleep(9))
    task.cancel()
    await task


async def grouped(call: Call) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(call.say("Hello."))
        group.create_task(broken_at_once())


async def broken_at_once() -> None:
    raise LookupError(SECRET)


@pytest.mark.parametrize(
    ("function", "word"),
    [(broken, "ValueError"), (leaving, "SystemExit"), (cancelled, "CancelledError"), (grouped, "ExceptionGroup")],
)
def test_an_error_is_apologised_for_and_told_without_words(function, word, caplog):
    phone, end = talk(agent(function), says(SECRET))
    assert phone.lines[-1] == "agent: I'm sorry, something isn't working here, and I have to end this call. Goodbye."
    assert (end.end_reason, end.error and end.error.code) == (EndReason.FAILED, FailureCode.AGENT_FAILED)
    message = end.error.message
    assert message.startswith(f"The agent stopped because of an error in it: {word} in test_run.py, line ")
    [record] = [one for one in caplog.records if one.message == "Agent failed"]
    assert any("test_run.py" in frame for frame in record.frames)
    everything = caplog.text + str([vars(one) for one in caplog.records]) + message
    assert "gooseberry" not in everything


def test_a_variable_of_another_type_fails_with_its_name():
    @agent
    async def counter(call: Call, visits: int) -> None: ...

    phone, end = talk(counter, visits="4711 times")
    assert end.error.message == "The variable 'visits' isn't of the type that the agent declares (int_parsing)."
    assert phone.lines[-1].startswith("agent: I'm sorry")


def test_an_outcome_that_is_not_declared_is_not_kept(caplog):
    async def odd(call: Call) -> Literal["good"]:
        return "bad"  # type: ignore[return-value]

    phone, end = talk(agent(odd))
    assert (phone.noted, end.error) == ({}, None)
    assert "Agent returned an outcome that it doesn't declare" in caplog.text


def test_speech_that_fails_is_told_as_that():
    async def mute(call: Call) -> None:
        raise SpeechFailed

    _, end = talk(agent(mute))
    assert end.error.code is FailureCode.SPEECH_FAILED


def test_a_callee_who_hangs_up_ends_the_coroutine_and_its_finally_is_run():
    done = []

    async def thorough(call: Call) -> None:
        try:
            await call.say("This takes a while, and it goes on and on.")
            await call.listen()
        finally:
            await asyncio.sleep(3)
            done.append(call.noted.get("x"))

    _, end = talk(agent(thorough), lambda phone: phone.hangs_up(after="takes", over=True))
    assert done == [None]
    assert (end.ended_by, end.error) == (EndedBy.CALLEE, None)


def test_a_coroutine_that_never_ends_is_ended_by_the_calls_limit():
    async def forever(call: Call) -> None:
        while True:  # noqa: ASYNC110
            await asyncio.sleep(1)

    _, end = talk(agent(forever), max_duration_s=30.0)
    assert end.ended_by is EndedBy.LIMIT


@pytest.mark.parametrize("caught", [Exception, CallEnded])
def test_a_coroutine_that_catches_everything_is_slowed_down_and_ended(caught):
    tries = []

    async def stubborn(call: Call) -> None:
        while True:
            with suppress(caught):
                tries.append(1)
                await call.say("Hello.")

    _, end = talk(agent(stubborn), lambda phone: phone.hangs_up(after="Hello"))
    assert end.ended_by is EndedBy.CALLEE
    assert len(tries) < python_call.PATIENCE_ENDED + 50


def test_cancellation_is_honoured():
    seen = []

    async def waiting(call: Call) -> None:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    _, end = talk(agent(waiting), max_duration_s=20.0)
    assert (seen, end.ended_by, end.error) == (["cancelled"], EndedBy.LIMIT, None)


def test_the_log_of_a_failure_names_call_and_agent(caplog):
    with caplog.at_level(logging.ERROR):
        talk(agent(broken), says("x"))
    [record] = [one for one in caplog.records if one.message == "Agent failed"]
    assert (record.call_id, record.agent, record.error) == ("call_in_memory", "broken", "ValueError")
