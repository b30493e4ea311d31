"""Leases of the conversations a process holds, and of calls it holds nothing of any more."""

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from live.talking import Talking, accept_again, refuse, ringing, sign_with
from outdial.calls.ownership import take_over
from outdial.clock import Clock
from outdial.db.wake import Wake
from outdial.live.leases import _end_unattended, keep_leases
from outdial.telephony.state import CallState, EndReason
from workspace import logged, until

LEASE_S = 0.3  # renewed every 0.1 s
PAST = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def talking(workspace):
    await sign_with(workspace)
    talking = Talking(workspace, lease_s=LEASE_S)
    yield talking
    await talking.aclose()


@asynccontextmanager
async def keeping(talking):
    keeping = asyncio.create_task(keep_leases(talking.workspace.engine, talking.conversations, talking.lease, Wake()))
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


def renewed_after(workspace, claim, at):
    async def check():
        return (await workspace.attempt(claim.attempt_id)).lease_until > at + timedelta(seconds=LEASE_S)

    return check


async def test_the_lease_of_a_conversation_is_renewed_while_it_is_held(workspace, talking, claim):
    await talking.answered(claim)
    async with keeping(talking):
        await until(renewed_after(workspace, claim, datetime.now(UTC)))
        attempt = await workspace.attempt(claim.attempt_id)
        assert attempt.check_at > datetime.now(UTC) + timedelta(seconds=10), "the sweep need not look"
        talking.done.set()
        await talking.rests()
        over = datetime.now(UTC)
        other = await ringing(workspace)
        talking.begun.clear()
        talking.done.clear()
        await talking.answered(other)
        await until(renewed_after(workspace, other, over + timedelta(seconds=LEASE_S)))
    assert (await workspace.attempt(claim.attempt_id)).lease_until < over + timedelta(seconds=LEASE_S)


async def test_a_lease_is_not_renewed_after_a_take_over(workspace, talking, claim, worker):
    """We couldn't say that we live, and somebody else ends the call by now."""
    await talking.answered(claim)
    await workspace.set_attempt(claim.attempt_id, lease_until=PAST)
    assert await take_over(workspace.engine, worker.id, lease_s=15)
    taken = await workspace.attempt(claim.attempt_id)
    other = await ringing(workspace)
    async with keeping(talking):
        talking.begun.clear()
        await talking.answered(other)
        await until(renewed_after(workspace, other, datetime.now(UTC)))
    attempt = await workspace.attempt(claim.attempt_id)
    assert (attempt.owner, attempt.lease_until) == (worker.id, taken.lease_until)
    assert attempt.ending["error"]["code"] == "interrupted"


async def test_a_database_that_is_away_is_waited_for(workspace, talking, claim, caplog):
    await talking.answered(claim)
    await refuse(workspace, "attempts", "NEW.lease_until <> OLD.lease_until")
    async with keeping(talking):
        await until(lambda: logged(caplog, "Leases not renewed; trying again"))
        await accept_again(workspace, "attempts")
        await until(renewed_after(workspace, claim, datetime.now(UTC)))


# -- calls nobody talks on -------------------------------------------------------------------------------------


async def test_a_call_whose_conversation_could_not_be_ended_is_ended_later(workspace, talking, claim, caplog):
    """The database was away when it broke. No other worker takes it over while we live, and nobody talks on it."""

    async def breaks(*_):
        raise RuntimeError("a bug")

    talking.conversations._end = breaks
    await talking.answered(claim)
    await refuse(workspace, "attempts", "NEW.ending IS NOT NULL")
    talking.done.set()
    await talking.rests()
    assert workspace.carrier.hung_up == []
    await accept_again(workspace, "attempts")
    async with keeping(talking):
        await talking.gave_up(claim, "internal_error")
    assert "Call ended: no conversation holds it" in caplog.messages
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    assert (await workspace.call(claim.call_id)).error["code"] == "internal_error"


async def test_a_conversation_that_is_held_is_never_taken_for_lost(workspace, talking, claim, caplog):
    """However late its lease was renewed: the database was slow, or has another time of day."""
    await talking.answered(claim)
    await refuse(workspace, "attempts", "NEW.lease_until <> OLD.lease_until")
    async with keeping(talking):
        await until(lambda: logged(caplog, "Leases not renewed; trying again"))
        await until(has_expired(workspace, claim))
        await _end_unattended(workspace.engine, talking.conversations, talking.lease)
    await accept_again(workspace, "attempts")
    assert (await workspace.attempt(claim.attempt_id)).ending is None
    assert workspace.carrier.hung_up == []


def has_expired(workspace, claim):
    async def check():
        return (await workspace.attempt(claim.attempt_id)).lease_until < datetime.now(UTC)

    return check


@pytest.mark.parametrize(
    "other",
    [
        {"lease_until": datetime.now(UTC) + timedelta(hours=1)},   # just opened
        {"owner": "worker_other", "lease_until": PAST},            # another's
        {"owner": None, "lease_until": PAST},                      # transferred
        {"stream_opened_at": None, "lease_until": PAST},           # rings
        {"state": "ended", "lease_until": PAST},
    ],
    ids=["just opened", "of another worker", "transferred", "ringing", "ended"],
)
async def test_a_call_that_needs_no_conversation_here_is_left_alone(workspace, talking, claim, other):
    started = {"owner": talking.lease.owner, "stream_opened_at": PAST}
    await workspace.set_attempt(claim.attempt_id, **started | other)
    witness = await ringing(workspace)
    async with keeping(talking):
        await talking.answered(witness)
        await until(renewed_after(workspace, witness, datetime.now(UTC)))
    assert (await workspace.attempt(claim.attempt_id)).ending is None
    assert workspace.carrier.hung_up == []
    await workspace.set_attempt(claim.attempt_id, state="ringing")  # for the count of lines


async def test_a_lease_runs_by_the_clock_of_the_database(workspace, talking, claim, monkeypatch):
    """A host's may be behind: its calls would be nobody's, the moment their audio is there."""
    monkeypatch.setattr("outdial.clock.HOUSE", Clock(lambda: time.time() - 300))
    await talking.open(claim)
    assert (await workspace.attempt(claim.attempt_id)).lease_until > datetime.now(UTC)


# -- after the database was away -------------------------------------------------------------------------------


async def test_leases_are_renewed_at_once_when_the_lock_is_held_again(workspace, talking, claim):
    await talking.answered(claim)
    await workspace.set_attempt(claim.attempt_id, lease_until=PAST)
    patient, wake = replace(talking.lease, lease_s=3600.0), Wake()
    keeping = asyncio.create_task(keep_leases(workspace.engine, talking.conversations, patient, wake))
    await asyncio.sleep(0.2)
    assert (await workspace.attempt(claim.attempt_id)).lease_until == PAST
    wake.tell()
    await until(renewed_after(workspace, claim, datetime.now(UTC)))
    keeping.cancel()


async def test_a_conversation_whose_call_was_taken_over_says_goodbye_and_ends(
    workspace, talking, claim, worker, caplog
):
    """Whoever took it over had to take us for dead, and has the carrier end the call."""
    await talking.answered(claim)
    await workspace.set_attempt(claim.attempt_id, lease_until=PAST)
    assert await take_over(workspace.engine, worker.id, lease_s=15)
    async with keeping(talking):
        await talking.rests()
    assert "Conversation ended: its call was taken over" in caplog.messages
    assert workspace.settings.goodbye in talking.conversations._engines.text_to_speech.spoken
    attempt = await workspace.attempt(claim.attempt_id)
    assert (attempt.owner, attempt.ending["error"]["code"]) == (worker.id, "interrupted")
