"""What a worker does beside the conversations it holds."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import select, update

from conversation.peers import Detector, Recogniser, Voice
from live.talking import accept_again, refuse
from outdial import clock
from outdial.background import Background
from outdial.calls.advance import apply_event
from outdial.calls.ownership import Lease, take_stream
from outdial.calls.records import DetectionWanted
from outdial.conversation.call_facts import Engines
from outdial.db.tables import call_events
from outdial.live.detection import await_verdict, detection_of, late_ms_of, note_verdicts
from outdial.live.given import facts_of
from outdial.telephony.state import CallState
from outdial.telephony.verdict import WORDS, AnsweredBy, DetectedBy, Verdict
from workspace import Agents, until


@pytest.mark.parametrize("resolution_s", [0.000001, 0.001, 1.0])  # Telnyx's, Vonage's, Twilio's instants
@pytest.mark.parametrize("skew_s", [-5.0, -1.5, 0.0, 1.5, 5.0])
@pytest.mark.parametrize("told_ago_ms", [None, 0, 300, 1800])
def test_no_carriers_clock_has_the_callee_wait_longer_ago_than_we_know_ourselves(resolution_s, skew_s, told_ago_ms):
    true_ago_s = 0.2 + (told_ago_ms or 0) / 1000
    carriers = (datetime.now(UTC) - timedelta(seconds=true_ago_s)).timestamp() + skew_s
    answered_at = datetime.fromtimestamp(carriers // resolution_s * resolution_s, UTC)
    late_ms = late_ms_of(SimpleNamespace(attempt=SimpleNamespace(answered_at=answered_at), told_ago_ms=told_ago_ms))
    assert 0 <= late_ms <= (told_ago_ms or 0)
    if skew_s <= 0:
        assert late_ms == (told_ago_ms or 0)
    if skew_s == 5:
        assert late_ms == 0


def test_who_was_never_answered_by_the_carriers_word_has_not_waited():
    assert late_ms_of(SimpleNamespace(attempt=SimpleNamespace(answered_at=None), told_ago_ms=900)) == 0


@pytest.mark.parametrize("is_judged", [False, True])
async def test_without_a_verdict_in_time_the_answer_is_unknown(workspace, is_judged):
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await await_verdict(workspace.engine, claim.attempt_id, SimpleNamespace(is_judged=is_judged), 0.01)
    answered_by = (await workspace.call(claim.call_id)).answered_by
    if is_judged:
        assert answered_by is None
        return
    assert (answered_by["category"], answered_by["evidence"]) == ("unknown", ["deadline"])
    assert answered_by["confidence"] is None
    assert answered_by["after_answer_ms"] >= 10
    late = Verdict(answered_by=AnsweredBy.MACHINE, at=datetime.now(UTC), evidence=("machine",))
    await apply_event(workspace.engine, claim.attempt_id, late)
    answered_by = (await workspace.call(claim.call_id)).answered_by
    assert (answered_by["category"], answered_by["evidence"]) == ("unknown", ["deadline", "machine"]), "only noted"


async def test_the_deadline_is_noted_as_soon_as_the_database_lets_us(workspace, caplog):
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await refuse(workspace, "calls", "NEW.answered_by IS NOT NULL")
    noting = asyncio.create_task(await_verdict(workspace.engine, claim.attempt_id, SimpleNamespace(is_judged=False), 0))

    async def failed():
        return "Verdict not recorded" in caplog.messages

    await until(failed)
    await accept_again(workspace, "calls")
    async with asyncio.timeout(30):
        await noting
    assert (await workspace.call(claim.call_id)).answered_by["evidence"] == ["deadline"]


async def test_a_verdict_is_not_taken_back_by_the_deadline(workspace):
    claim = await workspace.dialed()
    human = Verdict(answered_by=AnsweredBy.HUMAN, at=datetime.now(UTC), evidence=("human",))
    await apply_event(workspace.engine, claim.attempt_id, human)
    await await_verdict(workspace.engine, claim.attempt_id, SimpleNamespace(is_judged=False), 0.0)
    assert (await workspace.call(claim.call_id)).answered_by["category"] == "human"


# -- our own detector ------------------------------------------------------------------------------------------


async def verdicts_kept(workspace, call_id):
    of_call = (call_events.c.call_id == call_id) & (call_events.c.type == "verdict")
    async with workspace.engine.connect() as conn:
        rows = await conn.execute(select(call_events.c.data).where(of_call).order_by(call_events.c.id))
    return [(row.data["by"], row.data["category"], row.data["evidence"]) for row in rows]


async def test_of_two_detectors_each_verdict_is_kept_and_one_wins(workspace):
    claim = await workspace.dialed(detection=DetectionWanted(by=DetectedBy.BOTH).to_json())
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    now = datetime.now(UTC)
    tape = ("said 'leave a message'",)
    for verdict in (
        Verdict(answered_by=AnsweredBy.HUMAN, at=now, evidence=("human",)),
        Verdict(answered_by=AnsweredBy.MACHINE, at=now, evidence=tape, revises=True, is_ours=True),
        Verdict(answered_by=AnsweredBy.MACHINE, at=now, evidence=("machine_end_beep",)),
        Verdict(answered_by=AnsweredBy.MACHINE, at=now, evidence=(WORDS,)),
    ):
        await apply_event(workspace.engine, claim.attempt_id, verdict)
    assert await verdicts_kept(workspace, claim.call_id) == [
        ("carrier", "human", ["human"]),
        ("local", "machine", list(tape)),
        ("carrier", "machine", ["machine_end_beep"]),
    ]
    assert (await workspace.call(claim.call_id)).answered_by["category"] == "machine"


async def test_of_one_detector_the_verdict_that_won_is_enough(workspace):
    claim = await workspace.dialed(detection=DetectionWanted(by=DetectedBy.LOCAL).to_json())
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    ours = Verdict(answered_by=AnsweredBy.HUMAN, at=datetime.now(UTC), evidence=("said hello",), is_ours=True)
    await apply_event(workspace.engine, claim.attempt_id, ours)
    assert await verdicts_kept(workspace, claim.call_id) == []
    assert (await workspace.call(claim.call_id)).answered_by["evidence"] == ["said hello"]


async def test_what_we_find_is_written_in_its_order_even_when_the_conversation_is_over(workspace):
    claim = await workspace.dialed(detection=DetectionWanted(by=DetectedBy.BOTH).to_json())
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    answering, tasks = SimpleNamespace(own=asyncio.Queue()), Background()
    noting = asyncio.create_task(note_verdicts(workspace.engine, claim.attempt_id, answering, tasks))
    for category in (AnsweredBy.UNKNOWN, AnsweredBy.HUMAN, AnsweredBy.MACHINE):
        found = Verdict(answered_by=category, at=datetime.now(UTC), is_ours=True, revises=category == "machine")
        answering.own.put_nowait(found)
    await asyncio.sleep(0)
    noting.cancel()
    await tasks.finish(10)
    kept = await verdicts_kept(workspace, claim.call_id)
    assert [category for _, category, _ in kept] == ["unknown", "human", "machine"]


@pytest.mark.parametrize(
    ("by", "begins", "follows"),
    [
        (DetectedBy.LOCAL, True, True),
        (DetectedBy.BOTH, True, True),
        (DetectedBy.CARRIER, True, False),
        (DetectedBy.LOCAL, False, False),  # who held it when its audio began has judged it, and may have died since
    ],
)
async def test_a_call_is_judged_by_whom_it_asks_and_once(workspace, by, begins, follows):
    claim = await workspace.dialed(detection=DetectionWanted(by=by).to_json())
    lease = Lease(owner="worker_1", lease_s=15.0, silent_after_s=20.0)
    answered = await take_stream(workspace.engine, claim.attempt_id, claim.stream_token, lease)
    if not begins:
        answered = replace(answered, attempt=replace(answered.attempt, audio_started_at=datetime.now(UTC)))
    agent = await Agents().agent("", 0)
    engines = Engines(speech_to_text=Recogniser(), text_to_speech=Voice(), voice_activity=Detector())
    followed = []
    line = SimpleNamespace(outgoing=None, follow=followed.append)
    session = SimpleNamespace(media_line=line, answering=None)
    detection = detection_of(answered, agent, facts_of(answered, agent), engines, session)
    assert followed == ([detection] if follows else [])
    assert (detection is not None) is follows


@pytest.mark.parametrize(
    ("language", "vendor", "known"),
    [
        ("en-GB", False, True),
        ("de", True, True),
        ("de", False, False),  # nobody here recognises it
        ("pt", True, False),   # there are no phrases of it, and English ones say nothing of its words
        ("pt-BR", False, False),
    ],
)
async def test_words_count_where_there_are_phrases_of_their_language(language, vendor, known):
    answered = SimpleNamespace(attempt=SimpleNamespace(audio_started_at=None))
    agent = SimpleNamespace(speech=SimpleNamespace(to_text=object() if vendor else None))
    policy = SimpleNamespace(max_wait_s=30, by=DetectedBy.LOCAL, action="hang_up")
    facts = SimpleNamespace(
        machine=policy, is_beginning=True, reading=SimpleNamespace(language=language), late_ms=0
    )  # fmt: skip
    line = SimpleNamespace(outgoing=None, follow=lambda detection: None)
    engines = Engines(speech_to_text=Recogniser(), text_to_speech=Voice(), voice_activity=Detector())
    detection = detection_of(answered, agent, facts, engines, SimpleNamespace(media_line=line, answering=None))
    told = detection._detector.evidence(1000).in_words(AnsweredBy.HUMAN)
    assert ("words not known in this language" not in told) is known


@pytest.mark.parametrize("late_s", [1, 3])
async def test_a_stream_that_opens_late_is_judged_from_the_answer(workspace, late_s):
    began = time.monotonic()
    claim = await workspace.dialed(detection=DetectionWanted(by=DetectedBy.LOCAL).to_json())
    late = timedelta(seconds=late_s)
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS, at=clock.now() - late)
    async with workspace.engine.begin() as conn:
        told = update(call_events).where(call_events.c.call_id == claim.call_id)
        await conn.execute(told.values(at=call_events.c.at - late))
    lease = Lease(owner="worker_1", lease_s=15.0, silent_after_s=20.0)
    answered = await take_stream(workspace.engine, claim.attempt_id, claim.stream_token, lease)
    agent = await Agents().agent("", 0)
    facts = facts_of(answered, agent)
    assert late_s * 1000 - 50 <= facts.late_ms <= late_s * 1000 + (time.monotonic() - began) * 1000 + 50
    engines = Engines(speech_to_text=Recogniser(), text_to_speech=Voice(), voice_activity=Detector())
    session = SimpleNamespace(media_line=SimpleNamespace(outgoing=None, follow=lambda one: None), answering=None)
    detection = detection_of(answered, agent, facts, engines, session)
    found = detection._verdict(AnsweredBy.HUMAN, 900, ())
    assert (found.at_ms, found.detection_ms) == (900, 900 + facts.late_ms)
