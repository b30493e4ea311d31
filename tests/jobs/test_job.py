"""Jobs added in the transaction of whoever adds them."""

from sqlalchemy import insert, select, text

from outdial.db.tables import workspaces
from outdial.jobs.job import Job, add_job


async def nothing(**arguments: object) -> None: ...


ONCE = Job(name="once", run=nothing)
REPEATED = Job(name="repeated", run=nothing, every="0 * * * *")
STORED = text("SELECT task_name, queue_name, lock, queueing_lock, args FROM procrastinate_jobs ORDER BY id")


async def stored(engine):
    async with engine.connect() as conn:
        return [tuple(row) for row in await conn.execute(STORED)]


async def test_a_job_is_there_when_its_transaction_is_committed_and_not_before(engine):
    async with engine.begin() as conn:
        await conn.execute(insert(workspaces).values(id="ws_1", name="Clinic", plan="team"))
        assert await add_job(conn, ONCE, delivery_id=7)
        assert await stored(engine) == []
    assert await stored(engine) == [("once", "once", None, None, {"delivery_id": 7})]


async def test_a_job_of_a_transaction_that_is_rolled_back_is_none(engine):
    async with engine.connect() as conn:
        assert await add_job(conn, ONCE)
        await conn.rollback()
    assert await stored(engine) == []


async def test_a_repeated_job_waits_once_and_a_second_one_costs_its_transaction_nothing(engine):
    async with engine.begin() as conn:
        assert await add_job(conn, REPEATED)
    async with engine.begin() as conn:
        await conn.execute(insert(workspaces).values(id="ws_1", name="Clinic", plan="team"))
        assert not await add_job(conn, REPEATED)
        await conn.execute(insert(workspaces).values(id="ws_2", name="Garage", plan="team"))
    assert await stored(engine) == [("repeated", "repeated", "repeated", "repeated", {})]
    async with engine.connect() as conn:
        assert (await conn.scalars(select(workspaces.c.id).order_by(workspaces.c.id))).all() == ["ws_1", "ws_2"]


async def test_other_jobs_may_wait_as_often_as_they_are_added(engine):
    async with engine.begin() as conn:
        assert [await add_job(conn, ONCE) for _ in range(3)] == [True, True, True]
    assert len(await stored(engine)) == 3


def test_only_what_is_not_repeated_is_tried_again():
    assert ONCE.may_fail_again(1)
    assert not ONCE.may_fail_again(6)
    assert not REPEATED.may_fail_again(1)
