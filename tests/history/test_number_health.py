"""Whether a number's last call failed because of its account."""

from datetime import UTC, datetime, timedelta

import pytest

from outdial.history.number_health import TROUBLES, number_health
from outdial.telephony.failures import CallError, FailureCode

NOW = datetime.now(UTC)


async def health(workspace):
    async with workspace.engine.connect() as conn:
        return await number_health(conn, workspace.id)


async def ended(workspace, code=None, *, minutes_ago=1, **columns):
    error = None if code is None else CallError(code=code, message="It failed.").to_json()
    over = {"state": "ended", "end_reason": "failed", "error": error, "ended_at": NOW - timedelta(minutes=minutes_ago)}
    return await workspace.queue(**over | columns)


async def test_a_number_nobody_called_from_has_no_trouble_known(workspace):
    (number,) = await health(workspace)
    assert (number["number_id"], number["carrier"]) == (workspace.number_id, "twilio")
    assert (number["trouble"], number["call_id"], number["at"]) == (None, None, None)


@pytest.mark.parametrize("code", TROUBLES)
async def test_a_failure_that_comes_again_is_told_with_what_to_do(workspace, code):
    call_id = await ended(workspace, code)
    (number,) = await health(workspace)
    assert (number["trouble"], number["message"], number["advice"]) == (code, "It failed.", TROUBLES[code])
    assert number["call_id"] == call_id


@pytest.mark.parametrize("code", [None, FailureCode.NUMBER_INVALID])
async def test_what_says_nothing_of_the_account_is_no_trouble(workspace, code):
    call_id = await ended(workspace, code)
    (number,) = await health(workspace)
    assert (number["trouble"], number["advice"], number["call_id"]) == (None, None, call_id)


@pytest.mark.parametrize("later", [{"end_reason": "canceled"}, {"end_reason": "expired"}, {"direction": "inbound"}])
async def test_calls_that_were_never_dialled_from_it_say_nothing(workspace, later):
    await ended(workspace, FailureCode.NO_FUNDS, minutes_ago=5)
    await ended(workspace, minutes_ago=1, **later)
    assert (await health(workspace))[0]["trouble"] == "no_funds"


async def test_the_last_call_counts(workspace):
    await ended(workspace, FailureCode.NO_FUNDS, minutes_ago=5)
    await ended(workspace, end_reason="busy", minutes_ago=1)
    assert (await health(workspace))[0]["trouble"] is None
