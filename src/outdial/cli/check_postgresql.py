"""What `outdial doctor` says of PostgreSQL itself: whether it keeps what it has taken, lets everybody in, and waits for
nobody. `look` asks it, the rest is pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.cli.findings import Finding, Status

SUBJECT = "PostgreSQL"
OLDEST = 14
OF_A_PROCESS, OF_A_POOLED_PROCESS, SPARE = 35, 5, 15  # connections: docs/deploy.md, "How many connections"
LONG_S = 60.0
SHORT_IDLE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgres:
    """`settings` as pg_settings has them, but for times, which are in seconds. `places`: connections that a role like
    ours may have in all. `longest_s`: how old the oldest open transaction is. `standbys`: those that follow it."""

    version: int
    is_standby: bool
    settings: Mapping[str, str]
    places: int
    used: int
    longest_s: float
    standbys: int
    timeline: int | None
    size_gb: float


async def look(conn: AsyncConnection) -> Postgres:
    row = (await conn.execute(_LOOK)).one()
    told = {name: _in_s(value, unit) for name, value, unit in row.settings}
    limits = [limit for limit in (row.role_limit, row.database_limit) if limit >= 0]
    kept = int(told["superuser_reserved_connections"]) + int(told.get("reserved_connections", "0"))
    return Postgres(
        version=row.version // 10_000,
        is_standby=row.is_standby,
        settings=told,
        places=min([int(told["max_connections"]) - kept, *limits]),
        used=row.used,
        longest_s=float(row.longest_s),
        standbys=row.standbys,
        timeline=None if row.wal_file is None else int(row.wal_file[:8], 16),
        size_gb=row.size / 1e9,
    )


def judge(found: Postgres, *, processes: int, pooled: bool) -> Iterator[Finding]:
    """`processes` serve on it; `pooled`: behind a pooler."""
    faults = [*_unsafe(found), *_limits(found, processes, pooled=pooled)]
    yield from faults
    if not faults:
        parts = [f"{found.used} of {found.places} connections used", f"{found.size_gb:.1f} GB"]
        parts += [] if found.timeline is None else [f"timeline {found.timeline}"]
        parts += [_standbys(found)] if found.standbys else []
        yield Finding(subject=SUBJECT, status=Status.OK, found="; ".join(parts))


def _unsafe(found: Postgres) -> Iterator[Finding]:
    if found.version < OLDEST:
        yield _warn(f"version {found.version} is older than any that is tried", f"Use PostgreSQL {OLDEST} or newer.")
    if found.is_standby:
        what = "the URL leads to a standby, where nothing can be written"
        todo = "Lead OUTDIAL_DATABASE_URL to the primary (several hosts: …?target_session_attrs=read-write)."
        yield Finding(subject=SUBJECT, status=Status.FAIL, found=what, todo=todo)
    elif found.settings["default_transaction_read_only"] == "on":
        todo = "Switch it off for the server's role and database: ALTER ROLE … RESET default_transaction_read_only"
        what = "default_transaction_read_only is on: nothing can be written"
        yield Finding(subject=SUBJECT, status=Status.FAIL, found=what, todo=todo)
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        if found.settings[name] == "off":
            what = f"{name} is off: after a crash the last calls are forgotten, and may be dialled twice"
            yield _warn(what, f"Set {name} = on.")


def _limits(found: Postgres, processes: int, *, pooled: bool) -> Iterator[Finding]:
    each = OF_A_POOLED_PROCESS if pooled else OF_A_PROCESS
    needed = each * max(1, processes) + SPARE
    if found.places < needed:
        what = f"{found.places} connections for {processes or 1} processes, which want {needed}"
        yield _warn(what, f"Set max_connections to {needed + 10} or more, and the role's own limit, or use a pooler.")
    elif found.used > 0.9 * found.places:
        yield _warn(f"{found.used} of {found.places} connections are used", "See who has them: pg_stat_activity.")
    if found.longest_s > LONG_S:
        what = f"a transaction is open since {found.longest_s:.0f} s: nothing is tidied up behind it"
        yield _warn(what, "See whose it is: SELECT * FROM pg_stat_activity ORDER BY xact_start.")
    idle_s = float(found.settings.get("idle_session_timeout", "0"))
    if 0 < idle_s < SHORT_IDLE_S:
        what = f"idle_session_timeout is {idle_s:g} s: connections that wait are cut"
        yield _warn(what, "Set it to 0 for the server's role.")
    for name in ("statement_timeout", "transaction_timeout"):
        limit_s = float(found.settings.get(name, "0"))
        if 0 < limit_s < 30:
            yield _warn(f"{name} is {limit_s:g} s: backups and upgrades are cut", f"ALTER ROLE … SET {name} = 0")


def _standbys(found: Postgres) -> str:
    how = "in step" if found.settings["synchronous_standby_names"] else "not in step: a failover may lose calls"
    return f"{found.standbys} {'standby' if found.standbys == 1 else 'standbys'}, {how}"


def _in_s(value: str, unit: str | None) -> str:
    scale = {"ms": 0.001, "s": 1.0, "min": 60.0}.get(unit or "")
    return value if scale is None else f"{float(value) * scale:g}"


def _warn(found: str, todo: str) -> Finding:
    return Finding(subject=SUBJECT, status=Status.WARN, found=found, todo=todo)


# What our own session has asked for says nothing of the server's.
_LOOK = text("""
    SELECT
        current_setting('server_version_num')::int AS version,
        pg_is_in_recovery() AS is_standby,
        (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS role_limit,
        (SELECT datconnlimit FROM pg_database WHERE datname = current_database()) AS database_limit,
        (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS used,
        (SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0) FROM pg_stat_activity
            WHERE backend_type = 'client backend' AND datname = current_database() AND pid <> pg_backend_pid()
        ) AS longest_s,
        (SELECT count(*) FROM pg_stat_replication) AS standbys,
        CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_walfile_name(pg_current_wal_lsn()) END AS wal_file,
        pg_database_size(current_database()) AS size,
        (SELECT json_agg(json_build_array(name, CASE WHEN source = 'client' THEN boot_val ELSE setting END, unit))
            FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'max_connections',
                'superuser_reserved_connections', 'reserved_connections', 'idle_session_timeout', 'statement_timeout',
                'transaction_timeout', 'synchronous_standby_names', 'default_transaction_read_only')
        ) AS settings
""")

