"""One person's number erased, from every call of a workspace; what is wanted survives whoever was at it."""

from functools import partial

import pytest
from sqlalchemy import func, insert, select, text, update

import outdial.retention.erase_number as erase_number_module
from outdial.calls.do_not_call import list_number
from outdial.calls.enqueue import create_call
from outdial.calls.request import OutboundRequest
from outdial.db.retention_tables import erased_entries, erasures
from outdial.db.tables import audit_log, calls, do_not_call
from outdial.policy.do_not_call import Source, list_entries, remove_entry
from outdial.refusals import Conflict, Invalid
from outdial.retention.erase_number import carry_on, erase_number, erase_number_jobs, erasure_view
from outdial.workspaces.audit import COMMAND_LINE
from outdial.workspaces.secrets import SecretBox
from personal import OTHER_NUMBER, WORDS, found_in_database, told_call
from tenants import E164, make_tenant

TO = "+12025550166"


@pytest.fixture
async def tenant(engine):
    return await make_tenant(engine)


@pytest.fixture
def box(settings):
    return partial(SecretBox.shared, settings)


@pytest.fixture
async def a_call(engine, settings, tenant, tmp_path):
    async def a_call(to=TO, **row):
        return await told_call(engine, tmp_path, tenant.workspace_id, tenant.number_id, settings, to, **row)

    return a_call


@pytest.fixture
async def erase(engine, box, tenant):
    async def erase(number=TO):
        return await erase_number(engine, box, tenant.workspace_id, number, by=COMMAND_LINE)

    return erase


async def place(engine, settings, tenant, to=TO):
    return await create_call(
        engine,
        settings,
        workspace_id=tenant.workspace_id,
        number_id=tenant.number_id,
        request=OutboundRequest(to=to),
    )


async def test_every_call_from_and_to_a_number_is_erased_and_nobody_elses(engine, a_call, erase):
    out, inbound, other = await a_call(), await a_call(), await a_call("+12025550188")
    async with engine.begin() as conn:
        swapped = {"direction": "inbound", "from_": TO, "to": E164}
        await conn.execute(update(calls).where(calls.c.id == inbound.call_id).values(swapped))
    done = await erase()
    assert (done["calls"], done["finished_at"] is not None, done["number"]) == (2, True, "+120…66")
    assert await found_in_database(engine, TO, TO.lstrip("+")) == []
    async with engine.connect() as conn:
        erased = (await conn.scalars(select(calls.c.id).where(calls.c.erased_at.is_not(None)))).all()
        parties = (await conn.execute(select(calls.c.from_, calls.c.to).where(calls.c.id == inbound.call_id))).one()
    assert set(erased) == {out.call_id, inbound.call_id}
    assert tuple(parties) == ("erased", E164)
    assert await found_in_database(engine, WORDS[0], "+12025550188") != []
    assert other.call_id not in erased


async def test_a_number_that_calls_were_transferred_to_goes_and_the_rest_of_them_stays(engine, a_call, erase):
    told = await a_call(variables={"office": OTHER_NUMBER, "name": WORDS[0]})
    done = await erase(OTHER_NUMBER)
    assert (done["calls"], done["finished_at"] is not None) == (1, True)
    assert await found_in_database(engine, OTHER_NUMBER, OTHER_NUMBER.lstrip("+")) == []
    async with engine.connect() as conn:
        row = (await conn.execute(select(calls).where(calls.c.id == told.call_id))).one()
    assert (row.to, row.erased_at, row.variables) == (TO, None, {"office": "+erased", "name": WORDS[0]})


async def test_what_waits_for_the_number_is_canceled_and_erased(engine, settings, tenant, erase):
    accepted = await place(engine, settings, tenant)
    done = await erase()
    async with engine.connect() as conn:
        row = (await conn.execute(select(calls).where(calls.c.id == accepted.call_id))).one()
    assert (row.state, row.end_reason, row.ended_by, row.to) == ("ended", "canceled", "operator", "erased")
    assert done["calls"] == 1


async def test_while_its_holder_is_on_the_phone_nothing_is_done(engine, a_call, erase):
    await a_call(state="in_progress", ended_at=None)
    before = await found_in_database(engine, TO)
    with pytest.raises(Conflict) as refused:
        await erase()
    assert refused.value.code == "call_not_ended"
    assert await found_in_database(engine, TO) == before


async def test_a_number_of_the_workspace_is_nobodys(erase):
    with pytest.raises(Invalid):
        await erase(E164)


async def test_again_it_is_harmless(engine, a_call, erase):
    await a_call()
    await erase()
    again = await erase()
    assert (again["calls"], again["finished_at"] is not None) == (0, True)


async def test_what_a_crash_left_is_finished_by_the_job(engine, box, tenant, a_call, monkeypatch, erase):
    for _ in range(3):
        await a_call()
    monkeypatch.setattr(erase_number_module, "BATCH", 1)
    of_party, asked = erase_number_module._of_party, 0

    async def dies(*given):
        nonlocal asked
        asked += 1
        if asked == 2:
            raise RuntimeError("killed")
        return await of_party(*given)

    monkeypatch.setattr(erase_number_module, "_of_party", dies)
    with pytest.raises(RuntimeError):
        await erase()
    async with engine.connect() as conn:
        (row,) = (await conn.execute(select(erasures))).all()
        waiting = await conn.scalar(text("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'erasing.number'"))
    assert (row.calls, row.finished_at, row.number, waiting) == (1, None, TO, 1)
    assert TO not in str(await found_in_database(engine, "procrastinate_jobs.args"))
    _, lost = erase_number_jobs(engine, box)
    await lost.run()
    done = await erasure_view(engine, tenant.workspace_id, row.id)
    assert (done["calls"], done["finished_at"] is not None) == (3, True)
    assert await found_in_database(engine, TO, WORDS[0]) == []


async def test_a_call_that_somebody_has_is_left_for_the_job(engine, box, tenant, a_call, erase):
    told = await a_call()
    async with engine.begin() as conn:
        await conn.execute(select(calls.c.id).where(calls.c.id == told.call_id).with_for_update())
        done = await erase()
        assert done["finished_at"] is None
    assert await carry_on(engine, box, done["id"])
    assert await found_in_database(engine, TO) == []


async def test_the_do_not_call_entry_stays_as_a_keyed_hash(engine, settings, box, tenant, a_call, erase):
    await a_call()
    wish = {"reason": f"{WORDS[1]} asked", "source": Source.API, "by": COMMAND_LINE}
    await list_number(engine, tenant.workspace_id, TO, **wish)
    done = await erase()
    assert done["finished_at"] is None  # too new: a request may be under way that hasn't seen it
    async with engine.begin() as conn:
        await conn.execute(update(do_not_call).values(created_at=func.now() - text("interval '2 minutes'")))
    assert await carry_on(engine, box, done["id"])
    assert await found_in_database(engine, TO, TO.lstrip("+"), WORDS[1]) == []
    with pytest.raises(Conflict) as refused:
        await place(engine, settings, tenant)
    assert refused.value.code == "do_not_call"
    await place(engine, settings, tenant, to="+12025550199")
    async with engine.connect() as conn:
        page = await list_entries(conn, tenant.workspace_id)
    assert (page["entries"], page["erased"]) == ([], 1)
    taken_off = await remove_entry(engine, tenant.workspace_id, TO, by=COMMAND_LINE, box=box())
    assert (taken_off["number"], taken_off["source"]) == (TO, "api")
    await place(engine, settings, tenant)


async def test_the_audit_log_tells_it_without_the_number(engine, a_call, erase):
    await a_call()
    await erase()
    async with engine.connect() as conn:
        (entry,) = (await conn.execute(select(audit_log).where(audit_log.c.act == "erasure.number"))).all()
    assert (entry.subject_name, entry.details["calls"]) == ("+120…66", 1)
    assert TO not in str(tuple(entry))


async def test_the_hashes_of_two_workspaces_differ(engine, settings, box, tenant, erase):
    other = await make_tenant(engine)
    old = func.now() - text("interval '2 minutes'")
    for one in (tenant, other):
        async with engine.begin() as conn:
            entry = {"workspace_id": one.workspace_id, "number": TO, "source": "api", "created_at": old}
            await conn.execute(insert(do_not_call).values(entry))
        await erase_number(engine, box, one.workspace_id, TO, by=COMMAND_LINE)
    async with engine.connect() as conn:
        hashes = (await conn.scalars(select(erased_entries.c.number_hash))).all()
    assert len({bytes(each) for each in hashes}) == 2
