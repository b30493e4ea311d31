"""An upgrade while calls go on: the version before this one dials, ends calls and takes callbacks on a database whose
tables are this version's, beside it.

`before/outdial.whl.xz` is that version's wheel, so this runs without a repository's history. Carriers and customers
reach both by one address, as behind a load balancer: any callback, request and audio connection may come to either.
"""

import asyncio
import hashlib
import itertools
import json
import logging
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.before.make_wheel import COMMIT, opened, unpack
from end_to_end.world import CALLEE, HUMAN, IMPATIENT, SHORT, Customer, simulator_config
from outdial.app import running
from outdial.db.engine import create_engine, put_away
from outdial.db.migrate import check_current, is_current, upgrade
from outdial.settings import Settings
from outdial.simulator.server import Simulator, SimulatorConfig, serve
from outdial.speech.engines import Speech
from outdial.speech.instant import InstantSpeechToText, InstantTextToSpeech
from workspace import until

SERVE = Path(__file__).parent / "before/serve.py"
SECRET_KEY = "a key for tests"
BUSY = CALLEE + "03"
AGAIN = {"max_attempts": 2, "delays_s": [1], "on": ["busy"]}
LINES = 8
EVERY_S = 0.15        # a call is placed
PATIENCE_S = 120.0


class Entrance:
    """The one address of all processes: each connection goes to the next of `ports`."""

    def __init__(self) -> None:
        self.ports: list[int] = []
        self.url = ""
        self.taken: Counter[int] = Counter()
        self._turn = itertools.count()

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator["Entrance"]:
        entrance = cls()
        async with await asyncio.start_server(entrance._connected, "127.0.0.1", 0) as server:
            entrance.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield entrance

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = self.ports[next(self._turn) % len(self.ports)]
        self.taken[port] += 1
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", port)
        ways = [asyncio.create_task(_pass_on(reader, to_writer)), asyncio.create_task(_pass_on(to_reader, writer))]
        await asyncio.wait(ways)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    with suppress(ConnectionError, RuntimeError):
        writer.close()


@dataclass(kw_only=True)
class Before:
    """The version before, a process of its own."""

    process: "subprocess.Popen[str]"
    log: Path
    customer: dict[str, Any]

    @property
    def trouble(self) -> list[str]:
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [f"{line['message']} {line.get('reason')}" for line in lines if _is_trouble(line)]

    def stop(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(timeout=60)

    def kill(self) -> None:
        with self.process:
            self.process.kill()


def _is_trouble(line: dict[str, Any]) -> bool:
    return line["level"] == "error" or "exception" in line or line["message"].endswith("; trying again")


@dataclass(kw_only=True)
class Placed:
    """What was asked for, and what was answered."""

    call_ids: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    async def reach(self, number: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.call_ids) < number:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def start_before(
    code: Path, folder: Path, account: SimulatorConfig, *, database_url: str, carrier_url: str, public_url: str
) -> Before:
    config = {
        "data_dir": str(folder / "before"),
        "database_url": database_url,
        "secret_key": SECRET_KEY,
        "public_url": public_url,
        "carrier_url": carrier_url,
        "credentials": {"account_sid": account.account_sid, "auth_token": account.auth_token},
        "number": account.numbers[0],
        "lines": LINES,
        "script": SHORT,
        "patience": IMPATIENT,
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OUTDIAL_")}
    environment["PYTHONPATH"] = os.pathsep.join([str(code), *(path for path in sys.path if "site-packages" in path)])
    log = folder / "before.log"
    with log.open("w") as errors:
        process = subprocess.Popen(  # noqa: ASYNC220
            [sys.executable, "-P", SERVE, json.dumps(config)],
            cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip
    assert process.stdout is not None
    said = await asyncio.to_thread(process.stdout.readline)
    assert said, log.read_text()
    return Before(process=process, log=log, customer=json.loads(said))


@asynccontextmanager
async def both_on(database_url: str, folder: Path) -> AsyncIterator["Both"]:
    """The version before has made its tables and serves; this version doesn't yet."""
    config = simulator_config(folder, pace=0.1)
    unpack(folder / "code")
    async with Entrance.open() as entrance, serve(config) as simulator:
        before = await start_before(
            folder / "code", folder, config, database_url=database_url, carrier_url=simulator.base_url,
            public_url=entrance.url,
        )  # fmt: skip
        known, engine = before.customer, create_engine(database_url)
        entrance.ports.append(known["port"])
        # Of requests each may come to another process.
        headers = {"Authorization": known["key"], "Connection": "close"}
        http = httpx.AsyncClient(base_url=entrance.url, headers=headers, timeout=60, trust_env=False)
        customer = Customer(http, known["workspace_id"], known["number_id"], config.numbers[0], known["key"])
        both = Both(
            folder=folder, entrance=entrance, simulator=simulator, before=before, engine=engine, customer=customer
        )
        placing = asyncio.create_task(both.place_calls())
        both.placing = placing
        try:
            yield both
        finally:
            placing.cancel()
            before.kill()
            await http.aclose()
            await put_away(engine)


@dataclass(kw_only=True)
class Both:
    """Two versions, their carrier and their customer, who places calls until `placing` is cancelled."""

    folder: Path
    entrance: Entrance
    simulator: Simulator
    before: Before
    engine: AsyncEngine
    customer: Customer
    placed: Placed = field(default_factory=Placed)
    placing: "asyncio.Task[None] | None" = None

    async def place_calls(self) -> None:
        """To somebody who answers, and to somebody who is busy and is called again."""
        for place in itertools.count():
            wanted: dict[str, Any] = {"to": BUSY, "retry": AGAIN} if place % 3 == 2 else {"to": HUMAN}
            answer = await self.customer.ask(**wanted)
            if answer.status_code == 200:
                self.placed.call_ids.append(answer.json()["call_id"])
            else:
                self.placed.refused.append(f"{answer.status_code} {answer.text}")
            await asyncio.sleep(EVERY_S)

    @asynccontextmanager
    async def now(self, database_url: str) -> AsyncIterator[None]:
        """This version serves, too."""
        settings = Settings(
            database_url=SecretStr(database_url),
            secret_key=SecretStr(SECRET_KEY),
            public_url=self.entrance.url,
            data_dir=self.folder / "now",
            port=0,
            seats=LINES,
            **IMPATIENT,
        )
        speech = Speech(to_text=InstantSpeechToText(), from_text=InstantTextToSpeech())
        async with running(settings, speech=speech) as outdial:
            self.entrance.ports.append(outdial.services.settings.port)
            yield

    async def calls(self) -> list[dict[str, Any]]:
        """All that were placed, once each has ended."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                calls = [await self.customer.get(call_id) for call_id in self.placed.call_ids]
                if all(call["state"] == "ended" for call in calls):
                    return calls
                await asyncio.sleep(0.3)

    async def ask(self, query: str) -> list[Any]:
        async with self.engine.connect() as conn:
            return list((await conn.execute(text(query))).scalars())


async def test_the_version_before_goes_on_with_its_calls_while_the_tables_become_this_version_s(
    empty_database_url, tmp_path, caplog
):
    async with both_on(empty_database_url, tmp_path) as both:
        placed, before = both.placed, both.before
        await placed.reach(8)
        assert not await is_current(both.engine)
        await upgrade(both.engine)
        await check_current(both.engine)
        await placed.reach(16)  # the version before is alone, on tables that are this version's
        async with both.now(empty_database_url):
            await placed.reach(36)
            both.placing.cancel()
            calls = await both.calls()
            assert Counter((call["end_reason"], call["to"], len(call["attempts"])) for call in calls).keys() == {
                ("completed", HUMAN, 1),
                ("busy", BUSY, 2),
            }
            dialled = Counter(attempt["carrier_call_id"] for call in calls for attempt in call["attempts"])
            assert dialled == Counter(call.id for call in both.simulator.network.book.newest_first())
            assert len(await both.ask("SELECT DISTINCT owner FROM attempts")) == 2
            assert min(both.entrance.taken.values()) > 20, "both have served requests and callbacks"
            assert await both.customer.used_lines() == 0

            async def seats_are_free() -> bool:
                return not await both.ask("SELECT attempt_id FROM seats WHERE attempt_id IS NOT NULL")

            await until(seats_are_free, within_s=3 * IMPATIENT["sweep_every_s"] + 10)
            assert (before.trouble, placed.refused) == ([], [])
            both.entrance.ports.remove(before.customer["port"])
            assert await asyncio.to_thread(before.stop) == 0
            assert (await both.customer.call(HUMAN)).end == "completed"
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_the_wheel_is_of_the_commit_that_is_named():
    listing = ["git", "ls-tree", "-r", "--full-tree", f"{COMMIT}:src"]
    listed = subprocess.run(listing, cwd=SERVE.parent, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("this checkout has no history back to that commit")
    committed = {line.split("\t")[1]: line.split()[2] for line in listed.stdout.splitlines()}
    with opened() as wheel:
        given = {name: wheel.read(name) for name in wheel.namelist() if ".dist-info/" not in name}
    assert given.keys() <= committed.keys()
    assert {name for name in committed if name.endswith(".py")} <= given.keys()
    for name, content in given.items():
        assert hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest() == committed[name], name
