"""Makes `v0_1_0.sql`, a database as Outdial 0.1.0 leaves it, and `v0_1_0.json`, what 0.1.0's API told of it.

Both are kept: test_upgrade_from_0_1.py upgrades the one and compares with the other. They are made once and stay as
they are, because databases of 0.1.0 do. So this script and its modules (`fill` and what that imports) use the modules
that 0.1.0 had, and run with its code only, which is commit bfe3ad9:

    git worktree add ../outdial-0.1.0 bfe3ad9 && (cd ../outdial-0.1.0 && make install)
    ../outdial-0.1.0/.venv/bin/python tests/db/upgrade/make_dump.py

The same files come out each time: the clock is set by hand, in the database as well, and randomness has a seed. Every
person, number and secret in it is made up.
"""

import asyncio
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cryptography.fernet
import httpx
import psycopg
from sqlalchemy.ext.asyncio import create_async_engine

import outdial
from outdial.api.app import create_api
from outdial.api.services import Services
from outdial.calls.workers import Worker
from outdial.db.embedded import EmbeddedPostgres
from outdial.db.engine import create_engine, put_away
from outdial.db.migrate import upgrade
from outdial.db.notify import Notifications
from outdial.db.tables import metadata
from outdial.settings import Settings
from outdial.workspaces.secrets import SecretBox

HERE = Path(__file__).parent
VERSION = "0.1.0"
BEGIN = datetime(2025, 11, 17, 9, 0, tzinfo=UTC)  # long past for whoever reads the dump, whatever its clock says
PUBLIC_URL = "https://voice.clinic.example"
SECRET_KEY = "made up for the tests"

HEADER = f"""\
-- A database of Outdial {VERSION}, made by make_dump.py; never edited, never made anew by a later version.
-- First 0.1's tables as pg_dump tells them, then the rows, then indexes and constraints.
"""

# Called without their schema, as everybody does, these are found before PostgreSQL's own.
CLOCK = """
    CREATE SCHEMA faketime;
    CREATE TABLE faketime.clock (at timestamptz NOT NULL);
    INSERT INTO faketime.clock VALUES ('{begin}');
    CREATE FUNCTION faketime.now() RETURNS timestamptz STABLE LANGUAGE sql AS 'SELECT at FROM faketime.clock';
    CREATE FUNCTION faketime.clock_timestamp() RETURNS timestamptz STABLE LANGUAGE sql
        AS 'SELECT at FROM faketime.clock';
    ALTER DATABASE filled SET search_path = public, faketime, pg_catalog;
"""


class Clock:
    """Stands still until it is moved on: for Outdial's code and for the database's now()."""

    def __init__(self, url: str) -> None:
        self.now = BEGIN
        self._connection = psycopg.connect(url, autocommit=True)
        self._connection.execute(CLOCK.format(begin=BEGIN.isoformat()))

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self._connection.execute("UPDATE faketime.clock SET at = %s", [self.now])


def _time_stands_still(clock: Clock) -> None:
    """For every module of Outdial that knows `datetime`; for good, because the process has nothing else to do."""

    class Kind(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, datetime)

    class FakeDatetime(datetime, metaclass=Kind):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return clock.now.astimezone(tz)

    for name, module in list(sys.modules.items()):
        if name.startswith("outdial.") and getattr(module, "datetime", None) is datetime:
            module.datetime = FakeDatetime  # type: ignore[attr-defined]
    cryptography.fernet.time = SimpleNamespace(time=lambda: int(clock.now.timestamp()))  # type: ignore[attr-defined]


def _randomness_has_a_seed() -> None:
    source = random.Random(1)
    os.urandom = source.randbytes
    random._urandom = source.randbytes  # type: ignore[attr-defined]


async def main() -> None:
    if outdial.__version__ != VERSION:
        sys.exit(f"This runs with the code of Outdial {VERSION} only; here is {outdial.__version__}.")
    with tempfile.TemporaryDirectory(prefix="outdial-dump-") as folder:
        os.chmod(folder, 0o755)  # for root, PostgreSQL runs as another user
        # No autovacuum: where it has been, rows lie in another order.
        server = EmbeddedPostgres(Path(folder), settings={"fsync": "off", "autovacuum": "off"})
        server.start()
        try:
            await make(server, Path(folder))
        finally:
            server.stop()


async def make(server: EmbeddedPostgres, folder: Path) -> None:
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE pristine")
        connection.execute("CREATE DATABASE filled")
    clock = Clock(server.url("filled"))
    for name in ("pristine", "filled"):
        engine = create_engine(server.url(name))
        await upgrade(engine)
        await put_away(engine)

    from fill import Office, fill  # after everything it imports, whose datetime is replaced next

    settings = Settings(data_dir=folder / "data", public_url=PUBLIC_URL)
    secret_box = SecretBox(SECRET_KEY)
    engine = create_engine(server.url("filled"))
    _time_stands_still(clock)
    _randomness_has_a_seed()
    async with Worker(engine, server.url("filled")) as worker:
        office = Office(engine=engine, settings=settings, secret_box=secret_box, clock=clock, worker=worker)
        known = await fill(office)
    before, after = _schema(server, "pre-data"), _schema(server, "post-data")
    rows = _rows(server.url("filled"))
    (HERE / "v0_1_0.sql").write_text(f"{HEADER}\n{before}\n{rows}\n{after}")
    answers = await _answers(server.url("filled"), settings, secret_box, known["api_keys"])
    told = {"secret_key": SECRET_KEY, "public_url": PUBLIC_URL, "made_at": clock.now.isoformat(), **known}
    (HERE / "v0_1_0.json").write_text(_json_by_line(told, answers))
    await put_away(engine)


def _schema(server: EmbeddedPostgres, section: str) -> str:
    """0.1's DDL, without what only psql or this version of pg_dump understands."""
    program = server._programs / "pg_dump"
    command = [str(program), f"--section={section}", "--no-owner", "--no-privileges", "--restrict-key=none"]
    url = server.url("pristine")
    printed = subprocess.run([*command, "-d", url], check=True, capture_output=True, text=True).stdout
    foreign = ("--", "\\", "SET ", "SELECT pg_catalog.set_")
    lines = (line for line in printed.splitlines() if not line.startswith(foreign))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def _rows(url: str) -> str:
    """One row a line, in the order of the primary key; then where the counters of ids stand."""
    statements: list[str] = []
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET timezone = 'UTC'")
        for table in metadata.sorted_tables:
            names = [f'"{column.name}"' for column in table.columns]
            key = ", ".join(f'"{column.name}"' for column in table.primary_key)
            literals = ", ".join(f"quote_nullable({name}::text)" for name in names)
            query = f'SELECT ARRAY[{literals}] FROM "{table.name}" ORDER BY {key}'
            found = [row for (row,) in connection.execute(query)]
            if found:
                values = ",\n".join(f"  ({', '.join(row)})" for row in found)
                statements.append(f"INSERT INTO public.{table.name} ({', '.join(names)}) VALUES\n{values};\n")
            for column in table.columns:
                if column.identity is not None:
                    sequence = f"public.{table.name}_{column.name}_seq"
                    last = connection.execute(f"SELECT last_value FROM {sequence}").fetchone()
                    statements.append(f"SELECT pg_catalog.setval('{sequence}', {last[0]});\n")  # type: ignore[index]
        revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    statements.append(f"INSERT INTO public.alembic_version VALUES ('{revision[0]}');\n")  # type: ignore[index]
    return "\n".join(statements)


async def _answers(url: str, settings: Settings, secret_box: SecretBox, keys: dict[str, str]) -> dict[str, Any]:
    """What the API tells of the calls and of what belongs to them, by workspace and path."""
    engine = create_async_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    answers: dict[str, Any] = {}
    async with Notifications(url) as notifications:
        services = Services(
            engine=engine,
            settings=settings,
            notifications=notifications,
            secret_box=secret_box,
            recordings_dir=settings.data_dir / "recordings",
        )
        transport = httpx.ASGITransport(create_api(services))
        for workspace, key in keys.items():
            headers = {"Authorization": key}
            async with httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL, headers=headers) as client:
                for path in await _paths(url, client):
                    answers.setdefault(workspace, {})[path] = (await client.get(path)).raise_for_status().json()
    await put_away(engine)
    return answers


async def _paths(url: str, client: httpx.AsyncClient) -> list[str]:
    """Not those of the API keys: each of these requests changes when one was used."""
    paths = ["/v1/workspace", "/v1/phone-numbers", "/v1/carrier-accounts", "/v1/members", "/v1/audit-log?limit=200"]
    agents = (await client.get("/v1/agents")).json()["agents"]
    calls = (await client.get("/v1/calls", params={"limit": 200})).json()["calls"]
    paths += [f"/v1/agents/{agent['id']}" for agent in agents]
    return paths + [f"/v1/calls/{call['id']}" for call in reversed(calls)]


def _json_by_line(told: dict[str, Any], answers: dict[str, Any]) -> str:
    """An answer a line, so that one can find it."""
    parts = [f" {json.dumps(name)}: {json.dumps(value)}" for name, value in told.items()]
    of_workspaces = []
    for workspace, by_path in answers.items():
        lines = [f"   {json.dumps(path)}: {json.dumps(answer, ensure_ascii=False)}" for path, answer in by_path.items()]
        of_workspaces.append(f"  {json.dumps(workspace)}: {{\n" + ",\n".join(lines) + "\n  }")
    parts.append(' "answers": {\n' + ",\n".join(of_workspaces) + "\n }")
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    asyncio.run(main())
