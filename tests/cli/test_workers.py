"""outdial workers, and what doctor says of them."""

import asyncio

import pytest

from outdial.cli.check_workers import holding_locks, judge
from outdial.cli.findings import Status
from outdial.db.engine import create_engine, put_away
from outdial.history.workers import list_workers
from outdial.version import __version__
from seats import give_seats


@pytest.fixture
def on_database(database_url):
    """Does something with the database, in an event loop of its own."""

    def on_database(work):
        async def run():
            engine = create_engine(database_url)
            try:
                return await work(engine)
            finally:
                await put_away(engine)

        return asyncio.run(run())

    return on_database


@pytest.fixture
def has(on_database):
    def has(worker_id="worker_1", **columns):
        row = {"roles": ["api", "media"], "version": __version__, "stream_url": f"wss://{worker_id}.example"} | columns
        on_database(lambda engine: give_seats(engine, 3, worker_id=worker_id, **row))

    return has


def test_workers_are_listed_with_their_seats(outdial, outdial_json, has):
    assert outdial_json("workers", "list") == []
    assert "No process has served here yet" in outdial("workers", "list").output
    has()
    (row,) = outdial_json("workers", "list")
    assert (row["id"], row["state"], row["roles"]) == ("worker_1", "serves", ["api", "media"])
    assert (row["seats"], row["taken"], row["free"], row["version"]) == (3, 0, 3, __version__)
    assert row["stream_url"] == "wss://worker_1.example"


def test_a_worker_is_asked_to_drain_and_that_is_taken_back(outdial, outdial_json, has):
    has()
    assert outdial("workers", "drain", "worker_1").exit_code == 0
    assert [(row["state"], row["free"]) for row in outdial_json("workers", "list")] == [("drains", 0)]
    assert outdial("workers", "undrain", "worker_1").exit_code == 0
    assert [(row["state"], row["free"]) for row in outdial_json("workers", "list")] == [("serves", 3)]


def test_a_worker_that_there_is_none_of_can_not_be_drained(outdial, has):
    has()
    result = outdial("workers", "drain", "worker_2")
    assert result.exit_code == 1
    assert isinstance(result.exception, Exception)


async def said(engine):
    async with engine.connect() as conn:
        return list(judge(await list_workers(conn), await holding_locks(conn)))


def test_doctor_tells_of_each_worker_of_several_versions_and_of_one_address_for_two(on_database, has):
    has()
    has("worker_2", version="0.0.1", stream_url="wss://worker_1.example", draining=True)
    has("worker_3", seen_at=None)

    one, two, versions, streams = on_database(said)
    assert (one.status, two.status, versions.status, streams.status) == (Status.OK, *[Status.WARN] * 3)
    assert "3 of 3 seats free" in one.found
    assert two.found.endswith("drains")
    assert "undrain worker_2" in two.todo
    assert versions.found == f"several at once: 0.0.1, {__version__}"
    assert "OUTDIAL_STREAM_URL" in streams.todo


@pytest.mark.parametrize(
    ("workers", "todo"),
    [
        ([{"seats": 0, "roles": ["api", "dispatch"]}], "serve --role media"),
        ([{"draining": True}], "All of them drain"),
        ([{"seats": 0, "roles": ["api"]}, {}], None),
    ],
)
def test_doctor_says_when_no_worker_holds_conversations(on_database, has, workers, todo):
    for number, columns in enumerate(workers):
        has(f"worker_{number}", **columns)

    found = [finding for finding in on_database(said) if finding.subject == "Seats"]
    assert [finding.status for finding in found] == ([] if todo is None else [Status.FAIL])
    assert todo is None or todo in found[0].todo
