"""A process with some of its roles: what it answers, and that it ends in order."""

import asyncio
import logging
from datetime import UTC, datetime

import httpx
import psycopg
import pytest
from sqlalchemy import select, text
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

import virtual_time
from conversation.peers import Recogniser, Voice
from outdial.app import running
from outdial.calls.results import Result
from outdial.calls.workers import Worker, WorkerLost, is_dead
from outdial.db.tables import workers
from outdial.draining import Drain
from outdial.history.workers import list_workers
from outdial.jobs.job import add_job
from outdial.live.spool import Spool
from outdial.parts import Part, stop_in_order
from outdial.retention.run import last_run, retention_job
from outdial.roles import ROLES, Role
from outdial.settings import Settings
from outdial.speech.engines import Speech
from outdial.telephony.state import CallState, Ending, EndReason
from seats import give_seats
from workspace import END_LOCK_HOLDERS, until


@pytest.fixture
def settings(tmp_path, database_url) -> Settings:
    return Settings(data_dir=tmp_path, database_url=database_url, port=0)


def speech() -> Speech:
    return Speech(to_text=Recogniser(), from_text=Voice())


def roles_of(*roles: Role):
    return pytest.param(frozenset(roles), id=" and ".join(sorted(roles)) or "none")


@pytest.mark.parametrize(
    "roles",
    [
        roles_of(*ROLES),
        roles_of(Role.API),
        roles_of(Role.DISPATCH),
        roles_of(Role.MEDIA),
        roles_of(Role.JOBS),
        roles_of(Role.API, Role.MEDIA),
    ],
)
async def test_a_process_serves_its_roles_and_nothing_else_and_leaves_nothing_behind(settings, engine, roles, caplog):
    caplog.set_level(logging.WARNING)
    before = asyncio.all_tasks()
    async with running(settings, roles=roles, speech=speech()) as outdial, httpx.AsyncClient() as http:

        async def status(path, method="GET"):
            return (await http.request(method, outdial.base_url + path)).status_code

        assert (await status("/healthz"), await status("/readyz")) == (200, 200)
        serves = Role.API in roles
        assert await status("/v1/me") == (401 if serves else 404)
        assert await status("/openapi.json") == (200 if serves else 404)
        assert await status("/callbacks/twilio/att_unknown/status", "POST") == 404
        assert await status("/sign-in") == (200 if serves else 404)
        with pytest.raises(InvalidStatus) as refused:
            await connect(outdial.base_url.replace("http", "ws") + "/media/twilio/att_unknown/token")
        assert refused.value.response.status_code == 403
        async with engine.connect() as conn:
            (worker_id,) = (await conn.execute(select(workers.c.id))).scalars()
            assert not await is_dead(conn, worker_id)
    assert asyncio.all_tasks() == before

    async def its_lock_is_free():
        async with engine.connect() as conn:
            return await is_dead(conn, worker_id)

    await until(its_lock_is_free)  # whoever takes over need not wait
    with pytest.raises(httpx.ConnectError):
        async with httpx.AsyncClient() as http:
            await http.get(outdial.base_url + "/healthz")
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []


OF_EVERY_PROCESS = {"lag of the event loop", "http server", "python agents", "heartbeat", "worker lock"}
PARTS = {
    Role.API: {"live pages", "event streams", "mcp sessions", "incoming calls", "callbacks"},
    Role.DISPATCH: {"dispatcher", "sweep"},
    Role.MEDIA: {
        "new conversations", "conversations", "news of live calls", "drain on request", "leases", "left behind",
        "voice activity", "spool", "second legs", "media handshake", "listening in",
    },
    Role.JOBS: {"jobs", "webhooks", "alerts"},
}  # fmt: skip


@pytest.mark.parametrize("role", Role)
async def test_a_process_has_the_parts_of_its_roles_and_says_so(settings, engine, role):
    given = speech() if role in (Role.API, Role.MEDIA) else None  # the others load none
    async with running(settings, roles={role}, speech=given) as outdial:
        parts = {(part.name, part.role) for part in outdial.parts}
        await outdial.heartbeat.beat()
        async with engine.connect() as conn:
            (worker,) = await list_workers(conn)
        assert outdial.services.previews is not None or given is None
    assert parts == {(name, None) for name in OF_EVERY_PROCESS} | {(name, role) for name in PARTS[role]}
    assert (worker.roles, worker.seats > 0) == ((role,), role is Role.MEDIA)
    assert worker.stream_url == settings.stream_base_url.replace(":0", outdial.base_url[outdial.base_url.rindex(":") :])


async def test_only_a_process_that_dials_dials(settings, workspace):
    call_id = await workspace.queue()

    async def taken():
        return bool(await workspace.events(call_id, "state"))

    async with running(settings, roles={Role.API, Role.MEDIA}, speech=speech()) as outdial:
        async with httpx.AsyncClient() as http:
            await http.get(outdial.base_url + "/readyz")
        assert not await taken()
        async with running(settings, roles={Role.DISPATCH}, speech=speech()):
            await until(taken)


async def test_only_a_process_with_the_role_does_jobs_and_none_that_drains(settings, engine):
    async with engine.begin() as conn:
        await add_job(conn, retention_job(engine, settings))

    async def waits():
        async with engine.connect() as conn:
            return await conn.scalar(text("SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'")) == 1

    async def is_done():
        async with engine.connect() as conn:
            return await last_run(conn) is not None and not await waits()

    async with running(settings, roles=ROLES - {Role.JOBS}, speech=speech()):
        drain = Drain()
        drain.begin()
        async with running(settings, roles={Role.JOBS}, speech=speech(), drain=drain):
            await asyncio.sleep(1.5)  # more than twice the time it takes otherwise
            assert await waits()
    async with running(settings, roles={Role.JOBS}, speech=speech()):
        await until(is_done)


async def test_a_process_that_drains_is_not_ready_and_goes_on_answering(settings, engine):
    async with running(settings, speech=speech()) as outdial, httpx.AsyncClient(base_url=outdial.base_url) as http:
        outdial.drain.begin()
        readyz = await http.get("/readyz")
        assert readyz.status_code == 503
        assert "drains" in readyz.json()["detail"]
        assert (await http.get("/healthz")).status_code == 200
        assert (await http.get("/v1/me")).status_code == 401
        assert await outdial.calls_left() == 0


async def test_the_calls_a_process_has_dialled_are_waited_for(settings, workspace):
    async with running(settings, roles={Role.MEDIA}, speech=speech()) as outdial:
        await workspace.dialed(owner=outdial.worker_id)
        unknown = await workspace.dialed(owner=outdial.worker_id)
        await workspace.set_attempt(unknown.attempt_id, unknown_since=datetime.now(UTC))
        await workspace.dialed()  # by somebody else, with a seat here
        assert await outdial.calls_left() == 2
        await give_seats(workspace.engine, 1000, worker_id="worker_elsewhere")
        await workspace.dialed()
        assert await outdial.calls_left() == 2


async def test_what_a_dead_process_has_left_is_delivered_before_anybody_takes_its_calls_for_lost(settings, workspace):
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    result = Result(
        ending=Ending(end_reason=EndReason.COMPLETED),
        noted={"mood": "good"},
        recording=None,
        message_delivered=None,
        transferred=False,
    )
    content = {"attempt_id": claim.attempt_id, "call_id": claim.call_id, "attempt_number": 1, "first_seq": 0}
    spool = Spool(settings.data_dir, "worker_dead")
    await spool.keep(claim.attempt_id, content | {"journal": [], "result": result.to_json()})
    await spool.aclose()
    async with running(settings, speech=speech()):
        assert (await workspace.call(claim.call_id)).noted == {"mood": "good"}


async def test_a_part_that_breaks_takes_the_process_down_whole(settings, engine, caplog):
    before, failed, drain = asyncio.all_tasks(), [], Drain()
    with pytest.raises(ExceptionGroup) as broke:  # noqa: PT012 - it breaks while it serves
        async with running(
            settings, speech=speech(), drain=drain, failed=lambda: failed.append(True)
        ) as outdial:
            outdial.worker._url = settings.database_url.get_secret_value().replace("/migrated", "/postgres")
            async with await psycopg.AsyncConnection.connect(str(settings.database_url.get_secret_value())) as conn:
                await conn.execute(END_LOCK_HOLDERS)
            await asyncio.Event().wait()
    assert broke.group_contains(WorkerLost)
    assert asyncio.all_tasks() == before
    assert (failed, drain.failed, drain.hurried.is_set()) == ([True], True, True)
    (line,) = [record for record in caplog.records if record.levelno >= logging.CRITICAL]
    assert line.message == "Process can't go on"
    assert line.reason == "this is another database: it has no tables of Outdial"
    assert line.exc_info is None


async def test_a_process_without_its_lock_is_not_ready(settings, engine, monkeypatch):
    monkeypatch.setattr(Worker, "holds_lock", False)
    async with running(settings, speech=speech()) as outdial, httpx.AsyncClient(base_url=outdial.base_url) as http:
        readyz = await http.get("/readyz")
        assert (readyz.status_code, "database is away" in readyz.json()["detail"]) == (503, True)
        assert await outdial.calls_left() == 0


def test_a_part_that_fails_to_stop_keeps_no_other_from_stopping(caplog):
    async def main():
        stopped = []

        async def fail():
            raise OSError("no disk")

        async def stop():
            stopped.append("second")

        running = asyncio.create_task(asyncio.sleep(60))
        parts = [Part(name="first", run=lambda: asyncio.sleep(60), stop=fail), Part(name="second", stop=stop)]
        await stop_in_order(parts, {"first": running})
        await asyncio.wait({running})
        return stopped, running.cancelled()

    assert virtual_time.run(main()) == (["second"], True)
    assert "Part not stopped in order" in caplog.messages
