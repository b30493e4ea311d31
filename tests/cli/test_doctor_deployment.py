"""What doctor says of a deployment: PostgreSQL, the hosts' clocks and files, and what is left undone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, insert

from outdial.calls.heartbeat import Heartbeat, Station
from outdial.calls.workers import Worker
from outdial.cli import check_postgresql, check_work, check_workers
from outdial.cli.check_postgresql import Postgres
from outdial.cli.check_work import Pace, Work
from outdial.cli.findings import Status
from outdial.db.tables import callbacks, pauses
from outdial.db.webhook_tables import webhooks
from outdial.draining import Drain
from outdial.history.workers import WorkerState, WorkerView, list_workers

SETTINGS = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "synchronous_standby_names": "",
    "default_transaction_read_only": "off",
    "idle_session_timeout": "0",
    "statement_timeout": "0",
}
GOOD = Postgres(
    version=18,
    is_standby=False,
    settings=SETTINGS,
    places=97,
    used=40,
    longest_s=0.1,
    standbys=0,
    timeline=2,
    size_gb=1.25,
)
WORKER = WorkerView(
    id="worker_1",
    state=WorkerState.SERVES,
    roles=("api", "media"),
    version="0.2.0",
    host="one",
    pid=7,
    stream_url="wss://one.example",
    internal_url=None,
    seats=3,
    taken=0,
    free=3,
    live=0,
    started_at=datetime.now(UTC),
    seen_at=datetime.now(UTC),
    clock_ahead_s=0.01,
    open_files=65_536,
)
NOTHING = Work(off=0, given_up=0, unhandled=0, untold=0, failed_jobs=0, paused=0, paces=())


def with_settings(**changed):
    return replace(GOOD, settings=SETTINGS | changed)


@pytest.mark.parametrize(
    ("postgres", "named"),
    [
        (replace(GOOD, version=12), "version 12"),
        (with_settings(fsync="off"), "fsync is off"),
        (with_settings(synchronous_commit="off"), "synchronous_commit is off"),
        (with_settings(idle_session_timeout="10"), "idle_session_timeout is 10 s"),
        (with_settings(statement_timeout="5"), "statement_timeout is 5 s"),
        (replace(GOOD, longest_s=90.0), "a transaction is open since 90 s"),
        (replace(GOOD, used=90), "90 of 97 connections are used"),
        (replace(GOOD, places=80), "80 connections for 2 processes, which want 85"),
    ],
)
def test_what_postgresql_should_not_be_set_to_is_warned_of(postgres, named):
    [finding] = check_postgresql.judge(postgres, processes=2, pooled=False)
    assert (finding.status, named in finding.found) == (Status.WARN, True)
    assert finding.todo


READ_ONLY = with_settings(default_transaction_read_only="on")


@pytest.mark.parametrize("postgres", [replace(GOOD, is_standby=True), READ_ONLY])
def test_a_database_that_stores_nothing_is_broken(postgres):
    [finding] = check_postgresql.judge(postgres, processes=2, pooled=False)
    assert finding.status is Status.FAIL


def test_of_a_good_one_it_is_told_how_full_it_is_and_who_follows_it():
    [finding] = check_postgresql.judge(replace(GOOD, standbys=1), processes=2, pooled=False)
    assert finding.status is Status.OK
    assert finding.found == (
        "40 of 97 connections used; 1.2 GB; timeline 2; 1 standby, not in step: a failover may lose calls"
    )
    assert not [one for one in check_postgresql.judge(GOOD, processes=8, pooled=True) if one.todo]


async def test_a_server_of_ours_is_looked_at(engine):
    async with engine.connect() as conn:
        found = await check_postgresql.look(conn)
    assert (found.is_standby, found.settings["fsync"], found.timeline) == (False, "off", 1)  # as the tests have it
    assert found.settings["statement_timeout"] == "0"  # not our own session's
    assert found.places > 10
    assert found.used > 0


# -- hosts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ahead_s", "status"), [(1.0, Status.OK), (-5.0, Status.WARN), (3600.0, Status.FAIL)])
def test_a_hosts_clock_that_goes_wrong_is_named_with_what_comes_of_it(ahead_s, status):
    other = replace(WORKER, host="two", clock_ahead_s=ahead_s)
    [finding] = check_workers.clocks(0.0, [WORKER, other])
    assert finding.status is status
    if status is not Status.OK:
        assert finding.found.startswith("two is ")
        assert "NTP" in (finding.todo or "").upper()
    away = replace(other, state=WorkerState.AWAY)
    [finding] = check_workers.clocks(0.0, [WORKER, away, replace(WORKER, clock_ahead_s=None)])
    assert finding.status is Status.OK


def test_a_worker_that_lives_and_is_silent_is_stuck():
    silent = replace(WORKER, id="worker_2", state=WorkerState.AWAY)
    assert [one.status for one in check_workers.judge([WORKER, silent], {"worker_1"})] == [Status.OK]
    stuck, ok = check_workers.judge([WORKER, silent], {"worker_1", "worker_2"})
    assert (stuck.status, ok.status) == (Status.FAIL, Status.OK)
    assert stuck.found.startswith("worker_2 on one lives but says nothing")


def test_a_running_server_that_may_open_few_files_is_named():
    _, files = check_workers.judge([replace(WORKER, open_files=1024)], {"worker_1"})
    assert (files.subject, files.status) == ("Open files", Status.WARN)
    assert files.found == "worker_1 on one may open 1,024 files"


async def test_a_worker_says_how_its_clock_goes_and_what_it_may_open(engine, database_url, monkeypatch):
    monkeypatch.setattr("time.time", lambda now=datetime.now(UTC).timestamp(): now + 3600)
    async with Worker(engine, database_url) as worker:
        station = Station(
            roles=["media"], stream_url="wss://x", internal_url=None, seats=1, lease_s=15, open_files=4096
        )
        await Heartbeat(engine, worker.id, station, Drain()).beat()
        async with engine.connect() as conn:
            [found] = await list_workers(conn)
            assert 3500 < await check_workers.ahead_of(conn) < 3700
    assert found.open_files == 4096
    assert 3500 < found.clock_ahead_s < 3700


# -- work ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lies", ["off", "given_up", "unhandled", "untold", "failed_jobs"])
def test_what_lies_is_told_with_who_does_it(lies):
    [finding] = check_work.judge(replace(NOTHING, **{lies: 1200}))
    assert (finding.status, finding.found[:6]) == (Status.WARN, "1,200 ")
    assert finding.todo


def test_a_queue_that_is_longer_than_its_pace_takes_in_an_hour_is_told():
    slow = Pace(account_id="acc_1", calls_per_second=1.0, waiting=10_000)
    _, finding = check_work.judge(replace(NOTHING, paces=[slow]))
    assert (finding.subject, finding.status) == ("Pace", Status.WARN)
    assert "10,000 calls that are due take 2.8 hours" in finding.found
    _, fine = check_work.judge(replace(NOTHING, paces=[replace(slow, waiting=100)]))
    assert fine.status is Status.OK


async def test_work_is_found_where_it_lies(engine, workspace):
    dialed = await workspace.dialed()
    long_ago = func.now() - timedelta(minutes=5)
    async with engine.begin() as conn:
        callback = {"attempt_id": dialed.attempt_id, "kind": "status", "dedupe_key": "1", "body": "", "headers": {}}
        await conn.execute(insert(callbacks).values(**callback, received_at=long_ago))
        endpoint = {"id": "wh_1", "workspace_id": workspace.id, "url": "https://x.example", "secret": b"x"}
        await conn.execute(insert(webhooks).values(**endpoint, off_at=long_ago, off_reason="gone"))
        by = {"actor_kind": "key", "actor_id": "x", "actor_name": "x"}
        paused = {"subject_id": workspace.id, "workspace_id": workspace.id, "people_only": False}
        await conn.execute(insert(pauses).values(**paused, **by))
        found = await check_work.look(conn)
    assert (found.unhandled, found.off, found.paused, found.given_up, found.failed_jobs) == (1, 1, 1, 0, 0)
    [pace] = found.paces
    assert (pace.waiting, pace.calls_per_second > 0) == (0, True)
