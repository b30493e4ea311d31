"""Every way a call may end is of one kind."""

import pytest
from sqlalchemy import text

from call_counts import KINDS, end_kind
from outdial.calls.counts import ENDS_OF_CALLS
from outdial.telephony.end_kind import EndKind
from outdial.telephony.state import EndReason
from outdial.telephony.verdict import AnsweredBy


def test_the_kinds_are_those_of_the_chart():
    assert tuple(EndKind) == KINDS


@pytest.mark.parametrize("reason", EndReason)
@pytest.mark.parametrize("category", [None, *AnsweredBy])
async def test_every_end_is_of_one_kind(engine, reason, category):
    a_call = "SELECT :reason AS end_reason, CAST(:category AS text) AS category, 1 AS calls"
    query = text(f"SELECT {ENDS_OF_CALLS} FROM ({a_call}) AS counted")
    async with engine.connect() as conn:
        row = (await conn.execute(query, {"reason": reason, "category": category})).one()
    assert row._asdict() == dict.fromkeys(EndKind, 0) | {end_kind(reason, category): 1}
