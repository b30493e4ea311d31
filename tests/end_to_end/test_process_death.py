"""The server dies by kill -9 with calls in every state, and comes back; later it is asked to stop during a call."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from end_to_end.process import Server
from end_to_end.world import CALLEE, PATIENCE_S, TALKATIVE, Audio, Customer, Story, World, connect_customer, sounds
from outdial.db.engine import create_engine, put_away
from outdial.settings import Settings
from outdial.simulator.calls import Call, Status
from outdial.simulator.faults import Fault, FaultKind
from outdial.simulator.server import Simulator, serve
from outdial.workspaces.secrets import SecretBox

LASTS_S = 40
BYTES_A_SECOND = 2 * 2 * 8000  # of a recording: two sides, 16 bits

SECRET_KEY = "a key for tests"
RINGS_S = 17.0  # long enough for the server to come back meanwhile
SILENT = CALLEE + "11"
VOICEMAIL = CALLEE + "05"
DIALING, RINGING, TALKING, UNDECIDED, WAITING = "dialing", "ringing", "talking", "undecided", "waiting"
SHORT = """
agent: {name: Short}
start: greeting
steps:
  greeting:
    say: Hello, this is a test call.
    hang_up: Goodbye.
"""


class Calls:
    stories: dict[str, Story]
    dials: dict[str, int]          # at the carrier, by whom was called
    ended_after_s: float           # the call that was cut, counted from when the server was back
    killed_at: datetime
    hung_up_on: bool               # at the carrier, who wasn't known yet
    recording: Audio
    first_answer: httpx.Response
    second_answer: httpx.Response
    used_lines: int
    stopped: Story
    stopped_recording: Audio
    hung_up_after_s: float         # at the carrier, counted from SIGTERM
    hung_up_first: bool            # before the process was gone
    stop_took_s: float
    start_took_s: float            # on this computer, with what else it has to do
    stopped_call_took_s: float     # and was placed and followed in that time
    exit_code: int
    unfinished: list[str]
    log: str


async def play(world: World) -> Calls:
    calls = Calls()
    database_url = world.new_database()
    config = replace(world.config, pace=1.0, ring_s=0.5, setup_s=0.1)
    async with (
        serve(config) as simulator,
        Server.up(world.folder / "process", database_url, SECRET_KEY) as server,
    ):
        engine = create_engine(database_url)
        customers = [
            await connect_customer(
                engine,
                SecretBox(SECRET_KEY),
                server.base_url,
                carrier_url=simulator.base_url,
                config=config,
                number=number,
                script=script,
                lines=lines,
            )
            for number, script, lines in (
                (config.numbers[0], TALKATIVE, 1),
                (config.numbers[1], SHORT, 3),
            )
        ]
        try:
            await _killed(calls, server, simulator, *customers)
            await _stopped(calls, server, simulator, customers[0])
        finally:
            await asyncio.gather(*(customer.http.aclose() for customer in customers))
            await put_away(engine)
        calls.unfinished = [path.name for path in server.data_dir.rglob("*.part")]
        calls.log = server.log
    return calls


async def _killed(
    calls: Calls, server: Server, simulator: Simulator, talkative: Customer, short: Customer
) -> None:
    first = {"headers": {"Idempotency-Key": "first"}, "to": SILENT}
    calls.first_answer = await talkative.ask(**first)
    talking = calls.first_answer.json()["call_id"]
    await talkative.until(talking, "in_progress")
    async with asyncio.timeout(PATIENCE_S):
        while _recorded_s(server, talking) < 4:  # noqa: ASYNC110 - nobody says hello: that is waited for first
            await asyncio.sleep(0.05)
    simulator.network.ring_s = RINGS_S
    patient = {"ring_timeout_s": 600}  # the server is away for as long as this computer takes to start it
    waiting = await talkative.place("+15550000004", **patient)
    ringing = await short.place("+15550000002", **patient)
    await short.until(ringing, "ringing")
    # The carrier keeps its reply until its first callback has been answered, and that is late: all we have of this
    # call when we die is that we meant to dial.
    only = {"number": "+15550000003", "count": 1}
    for fault in (
        Fault(kind=FaultKind.REPLY_AFTER_CALLBACK, **only),
        Fault(kind=FaultKind.CALLBACK_LATE, callbacks=frozenset({"initiated"}), delay_s=12.0, **only),
        Fault(kind=FaultKind.CALLBACK_LOST, callbacks=frozenset({"ringing"}), **only),
    ):
        simulator.network.faults.add(fault)
    dialing = await short.place("+15550000003", **patient)
    async with asyncio.timeout(PATIENCE_S):
        while not _dials(simulator, "+15550000003"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert (await short.get(dialing))["attempts"][0]["carrier_call_id"] is None
    undecided = await _greeted_by_voicemail(server, simulator, short)

    await server.kill()
    killed_at, calls.killed_at = time.monotonic(), datetime.now(UTC)
    await server.start()
    back_at = time.monotonic()
    calls.start_took_s = back_at - killed_at
    calls.second_answer = await talkative.ask(**first)

    async def ended() -> Story:
        story = await talkative.follow(talking)
        calls.ended_after_s = time.monotonic() - back_at
        simulator.network.ring_s = 0.5
        return story

    *stories, _ = await asyncio.gather(
        ended(), short.follow(ringing), short.follow(dialing), short.follow(undecided),
        _hang_up_soon(talkative, waiting),
    )  # fmt: skip
    names = (TALKING, RINGING, DIALING, UNDECIDED)
    calls.stories = dict(zip(names, stories, strict=True)) | {WAITING: await talkative.follow(waiting)}
    calls.dials = {name: _dials(simulator, story.call["to"]) for name, story in calls.stories.items()}
    calls.hung_up_on = all(call.ended_at for call in _dialled(simulator, VOICEMAIL))
    calls.recording = await talkative.recording(talking)
    calls.used_lines = await talkative.used_lines() + await short.used_lines()


async def _greeted_by_voicemail(server: Server, simulator: Simulator, customer: Customer) -> str:
    """The id of a call in the middle of a greeting, of whom our detector can't tell yet who it is."""
    async with asyncio.timeout(PATIENCE_S):
        while not any(call.status is Status.RINGING for call in _dialled(simulator, "+15550000003")):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    simulator.network.ring_s = 0.5  # those who ring go on as long as they were to
    again = {"max_attempts": 2, "on": ["machine", "failed", "silent"], "delays_s": [1]}
    call_id = await customer.place(VOICEMAIL, amd={"by": "local"}, retry=again)
    async with asyncio.timeout(PATIENCE_S):
        while _recorded_s(server, call_id) < 0.9:  # noqa: ASYNC110 - of some eight
            await asyncio.sleep(0.02)
    return call_id


def _recorded_s(server: Server, call_id: str) -> float:
    """How much of a call is on the disk by now."""
    return sum(path.stat().st_size for path in server.data_dir.rglob(f"{call_id}.wav.part")) / BYTES_A_SECOND


async def _hang_up_soon(customer: Customer, call_id: str) -> None:
    await customer.until(call_id, "in_progress")
    await asyncio.sleep(1)
    await customer.hang_up(call_id)


async def _stopped(calls: Calls, server: Server, simulator: Simulator, customer: Customer) -> None:
    placed_at = time.monotonic()
    call_id = await customer.place(SILENT)
    await customer.until(call_id, "in_progress")
    [live] = simulator.account.live.values()
    await asyncio.sleep(2)
    began = time.monotonic()
    stopping = asyncio.create_task(server.stop())
    hung_up = asyncio.create_task(live.ended.wait())
    hung_up.add_done_callback(lambda _: setattr(calls, "hung_up_after_s", time.monotonic() - began))
    calls.exit_code = await stopping
    calls.hung_up_first = live.ended.is_set()
    calls.stopped_call_took_s = time.monotonic() - placed_at
    hung_up.cancel()
    calls.stop_took_s = time.monotonic() - began
    await server.start()
    calls.stopped = await customer.follow(call_id)
    calls.stopped_recording = await customer.recording(call_id)


def _dials(simulator: Simulator, to: str) -> int:
    return len(_dialled(simulator, to))


def _dialled(simulator: Simulator, to: str) -> list[Call]:
    return [call for call in simulator.account.calls() if call.to == to]


@pytest.mark.parametrize("name", [TALKING, RINGING, DIALING, UNDECIDED, WAITING])
def test_nobody_is_dialled_twice_and_nobody_forgotten(outcome: Calls, name: str):
    assert outcome.dials[name] == 1
    assert len(outcome.stories[name].call["attempts"]) == 1


def test_a_conversation_that_was_cut_says_so(outcome: Calls):
    call = outcome.stories[TALKING].call
    assert (call["end_reason"], call["error"]["code"]) == ("failed", "interrupted")
    assert outcome.ended_after_s < 60


def test_who_was_not_known_yet_is_not_made_up_afterwards(outcome: Calls):
    story = outcome.stories[UNDECIDED]
    call = story.call
    assert (call["end_reason"], call["error"]["code"], call["ended_by"]) == ("failed", "interrupted", "system")
    assert (call["outcome"], call["message_delivered"]) == (None, None)
    told = story.named("answered_by")  # a slow computer had the time to find out before
    assert all(datetime.fromisoformat(each["at"]) < outcome.killed_at for each in told)
    assert (call["answered_by"] or {}).get("category") == (told[-1]["category"] if told else None)
    assert outcome.hung_up_on


def test_what_was_said_before_the_death_is_kept(outcome: Calls):
    story = outcome.stories[TALKING]
    assert story.turns[0].text.startswith("Hello, this is a test call.")
    [(start_ms, end_ms), *_] = sounds(outcome.recording.right)
    assert abs(start_ms - story.turns[0].start_ms) < 300
    assert end_ms - start_ms > 500


@pytest.mark.parametrize("name", [RINGING, DIALING])
def test_who_answers_after_the_death_is_talked_to(outcome: Calls, name: str):
    story = outcome.stories[name]
    assert (story.end, story.call["error"]) == ("completed", None)
    assert story.said("agent").startswith("Hello, this is a test call.")


def test_a_waiting_call_is_dialled_when_the_line_is_free(outcome: Calls):
    story = outcome.stories[WAITING]
    assert story.end == "completed"
    freed_at = outcome.stories[TALKING].call["ended_at"]
    assert story.call["attempts"][0]["created_at"] > freed_at


def test_a_repeated_request_gets_the_first_answer_again(outcome: Calls):
    assert outcome.second_answer.status_code == 200
    assert outcome.second_answer.headers["idempotent-replayed"] == "true"
    assert _without_status(outcome.second_answer) == _without_status(outcome.first_answer)


def test_every_line_is_given_back(outcome: Calls):
    assert outcome.used_lines == 0


def test_a_server_that_is_asked_to_stop_hangs_up_first(outcome: Calls):
    assert outcome.exit_code == 0
    assert outcome.hung_up_first
    assert outcome.hung_up_after_s < 5 + outcome.start_took_s
    assert outcome.stop_took_s < 10 + outcome.start_took_s


def test_a_call_is_whole_after_the_server_was_stopped(outcome: Calls):
    story = outcome.stopped
    assert (story.end, story.call["error"]["code"]) == ("failed", "interrupted")
    assert story.turns[-1].text == Settings().goodbye
    assert story.turns[0].end_ms is not None
    last = story.turns[-1].end_ms
    assert last is not None
    assert last <= outcome.stopped_recording.duration_ms <= outcome.stopped_call_took_s * 1000


def test_no_recording_is_left_unfinished(outcome: Calls):
    assert outcome.unfinished == []


def test_the_log_has_no_traceback(outcome: Calls):
    assert "Traceback" not in outcome.log
    assert "Pool counter corrected" not in outcome.log


def _without_status(response: httpx.Response) -> dict[str, Any]:
    return {name: value for name, value in response.json().items() if name != "status"}
