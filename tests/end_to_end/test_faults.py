"""Whatever goes wrong between the carrier and us: one dial, the true end, and every line given back."""

import asyncio
import socket

import pytest

from end_to_end.world import CALLEE, HUMAN, SHORT, TALKATIVE, Story, World
from outdial.simulator.faults import Fault, FaultKind
from outdial.simulator.server import serve

LASTS_S = 25

ALL_STATES = ["queued", "dialing", "ringing", "in_progress", "ended"]

# What goes wrong, and with a call to whom.
FAULTS: dict[str, list[tuple[str, list[tuple[FaultKind, dict]]]]] = {
    "nothing": ("00", []),
    "final callback lost": ("00", [(FaultKind.CALLBACK_LOST, {"callbacks": {"completed"}})]),
    "final callback lost, busy": ("03", [(FaultKind.CALLBACK_LOST, {"callbacks": {"completed"}})]),
    "all callbacks lost": ("00", [(FaultKind.CALLBACK_LOST, {})]),
    "all callbacks lost, no answer": ("04", [(FaultKind.CALLBACK_LOST, {})]),
    "callbacks repeated": ("00", [(FaultKind.CALLBACK_REPEATED, {})]),
    "callbacks late": ("00", [(FaultKind.CALLBACK_LATE, {"delay_s": 2.0})]),
    "callbacks reordered": ("00", [(FaultKind.CALLBACK_REORDERED, {})]),
    "callbacks repeated, busy": ("03", [(FaultKind.CALLBACK_REPEATED, {})]),
    "callbacks reordered, busy": ("03", [(FaultKind.CALLBACK_REORDERED, {})]),
    "reply lost": ("00", [(FaultKind.REPLY_LOST, {})]),
    "reply lost, busy": ("03", [(FaultKind.REPLY_LOST, {})]),
    "reply and callbacks lost": ("00", [(FaultKind.REPLY_LOST, {}), (FaultKind.CALLBACK_LOST, {})]),
    "reply and callbacks lost, busy": ("03", [(FaultKind.REPLY_LOST, {}), (FaultKind.CALLBACK_LOST, {})]),
    "reply after callback": ("00", [(FaultKind.REPLY_AFTER_CALLBACK, {})]),
    "throttled": ("00", [(FaultKind.THROTTLED, {"count": 1})]),
    "error before dialling": ("00", [(FaultKind.ERROR_BEFORE_DIALLING, {"count": 1})]),
    "error after dialling": ("00", [(FaultKind.ERROR_AFTER_DIALLING, {})]),
    "stream cut": ("00", [(FaultKind.STREAM_CUT, {"after_ms": 1000})]),
    "stream never started": ("00", [(FaultKind.STREAM_NEVER_STARTED, {})]),
}
CONVERSATIONS = [name for name, (callee, _) in FAULTS.items() if callee == "00" and not name.startswith("stream")]
BUSY = [name for name, (callee, _) in FAULTS.items() if callee == "03"]


class Calls:
    def __init__(self) -> None:
        self.stories: dict[str, Story] = {}
        self.dials: dict[str, int] = {}
        self.used_lines: dict[str, int] = {}


async def play(world: World) -> Calls:
    calls = Calls()
    at_once = asyncio.Semaphore(5)  # there is no hurry: other modules talk for longer
    await asyncio.gather(
        *(_with_faults(world, calls, name, at_once) for name in FAULTS),
        _with_carrier_down(world, calls),
        _with_carrier_restarted(world, calls),
    )
    return calls


async def _with_faults(world: World, calls: Calls, name: str, at_once: asyncio.Semaphore) -> None:
    callee, faults = FAULTS[name]
    customer = await world.customer(SHORT)
    for kind, details in faults:
        world.fault(customer, kind, **details)
    async with at_once:
        calls.stories[name] = await customer.call(CALLEE + callee, ring_timeout_s=5)
    calls.used_lines[name] = await customer.used_lines()
    calls.dials[name] = len(world.dials(customer))


async def _with_carrier_down(world: World, calls: Calls) -> None:
    """Nobody listens at the carrier's address when the call is placed; after the first try somebody does."""
    port = _free_port()
    customer = await world.customer(SHORT, carrier_url=f"http://127.0.0.1:{port}")
    call_id = await customer.place(HUMAN)
    async for _, data in customer.events(call_id):
        if data.get("next_attempt_at"):
            break
    async with serve(world.config, port=port) as simulator:
        calls.stories["carrier down"] = await customer.follow(call_id)
        calls.dials["carrier down"] = len(simulator.account.calls())
    calls.used_lines["carrier down"] = await customer.used_lines()


async def _with_carrier_restarted(world: World, calls: Calls) -> None:
    """The carrier stops during a conversation, and says nothing of how it ended. It comes back without its books."""
    port = _free_port()
    customer = await world.customer(TALKATIVE, carrier_url=f"http://127.0.0.1:{port}")
    async with serve(world.config, port=port) as simulator:
        simulator.network.faults.add(Fault(kind=FaultKind.CALLBACK_LOST, callbacks=frozenset({"completed"})))
        call_id = await customer.place(HUMAN)
        await customer.until(call_id, "in_progress")
        await asyncio.sleep(1)
    await asyncio.sleep(1)
    async with serve(world.config, port=port) as simulator:
        calls.stories["carrier restarted"] = await customer.follow(call_id)
        calls.dials["carrier restarted"] = 1 + len(simulator.account.calls())
    calls.used_lines["carrier restarted"] = await customer.used_lines()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@pytest.mark.parametrize("name", [*FAULTS, "carrier down", "carrier restarted"])
def test_a_person_is_dialled_once(outcome: Calls, name: str):
    assert outcome.dials[name] == 1


@pytest.mark.parametrize("name", [*FAULTS, "carrier down", "carrier restarted"])
def test_no_line_stays_taken(outcome: Calls, name: str):
    assert outcome.used_lines[name] == 0


@pytest.mark.parametrize("name", [*CONVERSATIONS, "carrier down"])
def test_the_conversation_takes_place(outcome: Calls, name: str):
    story = outcome.stories[name]
    assert (story.end, story.call["error"]) == ("completed", None)
    assert "this is a test call. Goodbye." in story.said("agent")
    assert story.call["answered_at"] is not None
    assert story.call["recording_url"]


@pytest.mark.parametrize("name", BUSY)
def test_busy_is_found_out(outcome: Calls, name: str):
    assert outcome.stories[name].end == "busy"


def test_no_answer_is_found_out(outcome: Calls):
    assert outcome.stories["all callbacks lost, no answer"].end == "no_answer"


@pytest.mark.parametrize("name", ["nothing", "callbacks repeated", "callbacks late", "reply after callback"])
def test_repeats_and_delays_change_nothing_in_the_feed(outcome: Calls, name: str):
    states = outcome.stories[name].states
    assert states == [state for state in ALL_STATES if state in states]
    assert {"queued", "dialing", "in_progress", "ended"} <= set(states)


@pytest.mark.parametrize("name", ["callbacks reordered", "callbacks reordered, busy", "callbacks repeated, busy"])
def test_a_call_only_moves_forward(outcome: Calls, name: str):
    states = outcome.stories[name].states
    assert states == [state for state in ALL_STATES if state in states]


@pytest.mark.parametrize("name", ["throttled", "carrier down", "error before dialling"])
def test_a_dial_that_was_not_made_is_made_later(outcome: Calls, name: str):
    states = outcome.stories[name].states
    assert states[:2] == ["queued", "dialing"]
    assert "queued" in states[2:]
    assert states[-1] == "ended"


@pytest.mark.parametrize("name", ["reply lost", "reply and callbacks lost", "error after dialling"])
def test_a_dial_of_unknown_outcome_is_never_dialled_again(outcome: Calls, name: str):
    call = outcome.stories[name].call
    assert len(call["attempts"]) == 1
    assert call["attempts"][0]["carrier_call_id"] is not None


def test_a_cut_stream_is_told_as_such(outcome: Calls):
    call = outcome.stories["stream cut"].call
    assert (call["end_reason"], call["error"]["code"]) == ("failed", "audio_lost")
    assert call["recording_url"]  # as far as it goes


def test_a_conversation_ends_with_a_carrier_that_forgot_it(outcome: Calls):
    story = outcome.stories["carrier restarted"]
    assert (story.states[-1], story.end) == ("ended", "completed")
    assert story.call["recording_url"]


def test_an_answered_call_without_audio_is_told_as_such(outcome: Calls):
    call = outcome.stories["stream never started"].call
    assert (call["end_reason"], call["error"]["code"]) == ("failed", "no_media")
