"""What `outdial doctor` looks at in the database, and at the carriers whose accounts are in it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.cli.failures import explanation
from outdial.cli.findings import Finding, Status
from outdial.cli.processes import local_url
from outdial.db.engine import reading
from outdial.roles import Role
from outdial.settings import Settings

if TYPE_CHECKING:
    from outdial.carriers.numbers import NumberControl
    from outdial.history.workers import WorkerView

CARRIER_ANSWER_S = 15
REPLICA_TRIES, REPLICA_AGAIN_S = 10, 0.5
RETENTION_IS_LATE = timedelta(days=1)


async def database(settings: Settings) -> AsyncIterator[Finding]:
    """The database, its schema, and what is set up in it. Looks only: nothing is migrated or made."""
    from outdial.db.engine import create_engine, put_away
    from outdial.db.made import is_made
    from outdial.db.running import running_url

    embedded = settings.database_url is None
    subject = "Database"
    if not is_made(settings):
        yield _embedded_not_made_yet(subject)
        return
    try:
        async with asyncio.timeout(60), running_url(settings) as url:
            async for finding in ways(settings):
                yield finding
                if finding.status is Status.FAIL:
                    return
            engine = create_engine(url)
            try:
                async for finding in _look_into(engine, settings, subject, embedded=embedded):
                    yield finding
            finally:
                await put_away(engine)
    except Exception as error:
        yield Finding(
            subject=subject,
            status=Status.FAIL,
            found=explanation(error),
            todo="Start PostgreSQL, correct OUTDIAL_DATABASE_URL, or unset it to use the embedded one.",
        )


async def ways(settings: Settings) -> AsyncIterator[Finding]:
    """Where the operator's URLs lead, and whether the limits of sessions hold behind a pooler."""
    from outdial.db.pooler import DATABASE, DIRECT, Way, WrongDatabaseUrl, check_urls, missing_limits, way

    words = {
        Way.DIRECT: "PostgreSQL itself",
        Way.SESSION_POOLER: "a pooler in session mode",
        Way.TRANSACTION_POOLER: "a pooler in transaction mode",
    }
    urls = {DATABASE: settings.database_url, DIRECT: settings.direct_database_url}
    led = {name: await way(url.get_secret_value()) for name, url in urls.items() if url is not None}
    if list(led.values()) in ([], [Way.DIRECT]):
        return  # no pooler
    found = "; ".join(f"{name} leads to {words[each]}" for name, each in led.items())
    try:
        await check_urls(settings)
    except WrongDatabaseUrl as error:
        yield Finding(subject="Pooler", status=Status.FAIL, found=found, todo=str(error))
        return
    assert settings.database_url is not None
    url, has_two = settings.database_url.get_secret_value(), settings.direct_database_url is not None
    missing = await missing_limits(url, pooled=has_two)
    if not missing:
        yield Finding(subject="Pooler", status=Status.OK, found=found)
        return
    found += f"; limits of its sessions missing: {', '.join(missing)}"
    todo = "ALTER ROLE … SET these for its role: " + ", ".join(f"{name} = '{value}'" for name, value in missing.items())
    if has_two:
        todo = (
            "A server sets them as it starts, and the pooler's older sessions get them when it opens them anew "
            f"(RECONNECT at PgBouncer's console). Where the server may not, {todo}"
        )
    yield Finding(subject="Pooler", status=Status.WARN, found=found, todo=todo)


async def _look_into(
    engine: AsyncEngine, settings: Settings, subject: str, *, embedded: bool
) -> AsyncIterator[Finding]:
    from outdial.accounts.secret_key import AnotherSecretKey, may_use
    from outdial.db.migrate import is_current, is_empty, is_newer

    async with engine.connect() as conn:
        version = ".".join(map(str, conn.dialect.server_version_info or ()))
    found = f"PostgreSQL {version}" + (" (embedded)" if embedded else "")
    if await is_newer(engine):
        yield Finding(
            subject=subject,
            status=Status.FAIL,
            found=f"{found}; its tables are of a newer Outdial",
            todo="Run the newer Outdial, or set OUTDIAL_DATABASE_URL to another database.",
        )
        return
    if not await is_current(engine):
        yield Finding(
            subject=subject,
            status=Status.WARN,
            found=f"{found}; " + ("it is empty" if await is_empty(engine) else "its tables are of an older Outdial"),
            todo="Start outdial serve: it brings them up to date.",
        )
        return
    yield Finding(subject=subject, status=Status.OK, found=f"{found}, tables up to date")
    if settings.replica_database_url is not None:
        yield await replica(engine, settings)
    yield await retention(engine)
    async for finding in serving(engine, settings):
        yield finding
    if not await may_use(engine, settings):
        found = "another one than this database's"
        yield Finding(subject="Secret key", status=Status.FAIL, found=found, todo=str(AnotherSecretKey()))
        return
    async for finding in carrier_accounts(engine, settings):
        yield finding


async def replica(engine: AsyncEngine, settings: Settings) -> Finding:
    """Whether the operator's replica may be asked, and how far it is behind."""
    from outdial.db.replica import Replica, Standing

    assert settings.replica_database_url is not None
    url = settings.replica_database_url.get_secret_value()
    looked_at = Replica(url, engine, max_lag_s=settings.replica_max_lag_s)
    try:
        tries = 0
        while await looked_at.look() in (Standing.NOT_SEEN, Standing.LATE) and tries < REPLICA_TRIES:
            tries += 1
            await asyncio.sleep(REPLICA_AGAIN_S)
        standing, lag_s = looked_at.standing, looked_at.lag_s
    finally:
        await looked_at.aclose()
    if standing is Standing.IN_USE and lag_s is not None:
        return Finding(subject="Replica", status=Status.OK, found=f"at most {lag_s:.1f} s behind")
    found = standing.value
    if standing is Standing.LATE:
        found = f"more than {tries * REPLICA_AGAIN_S:.0f} s behind"
    todo = "Until it is in order, lists and figures are read from the primary. It has to be a streaming standby of "
    todo += "this database's server: see OUTDIAL_REPLICA_DATABASE_URL in docs/deploy.md."
    return Finding(subject="Replica", status=Status.WARN, found=found, todo=todo)


async def retention(engine: AsyncEngine) -> Finding:
    """When what is old was cleared last, and how much that was."""
    from outdial.instants import to_json
    from outdial.retention.run import last_run

    async with engine.connect() as conn:
        run = await last_run(conn)
    if run is None:
        return Finding(subject="Retention", status=Status.OK, found="nothing cleared yet; a server does it every hour")
    rows = sum(run.removed.values())
    found = f"cleared last at {to_json(run.finished_at)}: {rows} {'row' if rows == 1 else 'rows'}"
    if datetime.now(UTC) - run.finished_at < RETENTION_IS_LATE:
        return Finding(subject="Retention", status=Status.OK, found=found)
    return Finding(
        subject="Retention",
        status=Status.WARN,
        found=found,
        todo="A running server does it every hour; its log says why it fails. By hand: outdial retention run",
    )


async def serving(engine: AsyncEngine, settings: Settings) -> AsyncIterator[Finding]:
    """The processes that serve on this database, their clocks, PostgreSQL under them, what they have left undone, and
    the way to them from outside."""
    from outdial.cli import check_languages, check_postgresql, check_work, check_workers
    from outdial.history.workers import WorkerState, list_workers

    async with reading(engine) as conn:
        workers = await list_workers(conn)
        alive = await check_workers.holding_locks(conn)
        ahead_s = await check_workers.ahead_of(conn)
        postgres, work = await check_postgresql.look(conn), await check_work.look(conn)
        mute = await check_languages.look(conn)
    here = [worker for worker in workers if worker.state is not WorkerState.AWAY]
    pooled = settings.direct_database_url is not None
    for found in (
        check_workers.judge(workers, alive),
        check_workers.clocks(ahead_s, workers),
        check_postgresql.judge(postgres, processes=len(here), pooled=pooled),
        check_work.judge(work),
        check_languages.judge(mute),
    ):
        for finding in found:
            yield finding
    if settings.public_url is not None and any(Role.API in worker.roles for worker in here):
        async for finding in _way(engine, settings, [worker for worker in here if worker.seats], ahead_s):
            yield finding


async def _way(
    engine: AsyncEngine, settings: Settings, seated: Sequence["WorkerView"], ahead_s: float
) -> AsyncIterator[Finding]:
    """As the carriers that are connected go it; where none is, as all go it."""
    from outdial.accounts.store import read_accounts
    from outdial.carriers.registry import CARRIERS
    from outdial.cli.check_way import way

    async with reading(engine) as conn:
        connected = {account.carrier for account in await read_accounts(conn)}
    kinds = [kind for name, kind in CARRIERS.items() if name in connected or not connected]
    local = local_url(settings.host, settings.port)
    async for finding in way(engine, settings, kinds, seated, local=local, ahead_s=ahead_s):
        yield finding


def _embedded_not_made_yet(subject: str) -> Finding:
    from outdial.db.embedded import EmbeddedPostgresError, installed_version

    try:
        found = f"embedded PostgreSQL {installed_version()}; will be made at the first start"
    except EmbeddedPostgresError as error:
        return Finding(
            subject=subject, status=Status.FAIL, found=str(error), todo="Set OUTDIAL_DATABASE_URL=postgresql://…"
        )
    return Finding(subject=subject, status=Status.OK, found=found)


async def carrier_accounts(engine: AsyncEngine, settings: Settings) -> AsyncIterator[Finding]:
    """Whether each carrier takes the credentials of each account."""
    from outdial.accounts.store import read_accounts
    from outdial.workspaces.secrets import SecretBox, WrongSecretKey

    async with engine.connect() as conn:
        accounts = await read_accounts(conn)
    if not accounts:
        yield Finding(
            subject="Carriers",
            status=Status.WARN,
            found="no number is connected yet",
            todo="outdial numbers connect --help",
        )
        return
    secret_box = SecretBox.from_settings(settings)
    for account in accounts:
        place = account.base_url or account.region
        name = account.account_ref + (f" at {place}" if place else "")
        status, found, todo = Status.OK, f"{name}: credentials are valid", None
        try:
            there = account.kind.number_control(secret_box.decrypt(account.sealed_credentials), account.url)
        except WrongSecretKey as error:
            status, found, todo = Status.FAIL, name, str(error)
        else:
            fault = await _fault(there, account.id)
            if fault is not None:
                status, found, todo = Status.WARN, f"{name}: {fault[0]}", fault[1]
        yield Finding(subject=f"{account.kind.label} account", status=status, found=found, todo=todo)


async def _fault(there: "NumberControl", account_id: str) -> tuple[str, str] | None:
    """Why the carrier doesn't take an account's credentials, and what to do about it."""
    from outdial.carriers.errors import CarrierError, CarrierRefused

    elsewhere = "Check this machine's way to the internet and the carrier's status page."
    try:
        async with asyncio.timeout(CARRIER_ANSWER_S), aclosing(there):
            await there.check()
    except CarrierRefused as error:
        return error.message, f"Give it valid credentials: outdial accounts change {account_id} -c name=value"
    except CarrierError as error:
        return error.message, elsewhere
    except TimeoutError:
        return f"no answer in {CARRIER_ANSWER_S} s", elsewhere
    return None
