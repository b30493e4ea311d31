import pytest
from sqlalchemy import insert
from sqlalchemy.exc import DBAPIError

from outdial.db import storing as module
from outdial.db.storing import REMEMBERED_S, refuses, storing
from outdial.db.tables import workspaces
from refusing_tables import refuse_rows


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


async def store(engine):
    async with storing(engine), engine.begin() as conn:
        await conn.execute(insert(workspaces).values(id="ws_1", name="One"))


async def test_what_could_not_be_stored_is_remembered_for_a_while(engine, clock):
    assert not refuses(engine)
    await refuse_rows(engine, workspaces)
    with pytest.raises(DBAPIError):
        await store(engine)
    clock[0] += REMEMBERED_S - 0.1
    assert refuses(engine)
    clock[0] += 0.2
    assert not refuses(engine)


@pytest.mark.parametrize("sqlstate", ["53100", "58030", "42501", "25006", "XX001"])
async def test_it_matters_little_why(engine, sqlstate):
    await refuse_rows(engine, workspaces, sqlstate)
    with pytest.raises(DBAPIError):
        await store(engine)
    assert refuses(engine)


@pytest.mark.parametrize("sqlstate", ["23505", "22021", "55P03", "40P01"])  # a repeat, an odd value, locked rows
async def test_but_not_where_the_next_one_may_well_be_stored(engine, sqlstate):
    await refuse_rows(engine, workspaces, sqlstate)
    with pytest.raises(DBAPIError):
        await store(engine)
    assert not refuses(engine)
