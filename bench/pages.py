"""The dashboard with a past: how long its pages take with 100,000 calls in the database, and how live they are when
many people look on.

Pages and live views are asked for through ASGI, in this process, without a socket: what is measured is Outdial and
PostgreSQL. A page is measured by being in PAGES, a live view by being in LIVE.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import uvloop
from fastapi import FastAPI
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.figures import Figure, Result, percentile
from bench.history import TURNS_A_CALL, fill
from bench.options import Options
from bench.scene import TALK, fresh_database
from outdial.agents.store import create_agent
from outdial.api.app import create_api
from outdial.api.services import Services
from outdial.api.sign_in_cookie import cookie_name
from outdial.calls.events import add_event
from outdial.carriers.name import CarrierName
from outdial.dashboard.app import add_dashboard
from outdial.db.engine import create_engine
from outdial.db.migrate import upgrade
from outdial.db.notify import Notifications
from outdial.db.tables import calls, turns
from outdial.lines.workspace_pools import create_workspace
from outdial.members import store
from outdial.members.sign_in import make_link, use_link
from outdial.numbers.new_number import NewNumber
from outdial.numbers.store import add_number
from outdial.recordings.recordings import Recordings
from outdial.settings import Settings
from outdial.workspaces.access import Role
from outdial.workspaces.audit import COMMAND_LINE
from outdial.workspaces.secrets import SecretBox

TARGET_PAGE_MS = 50.0
TARGET_LIVE_MS = 200.0
BASE_URL = "http://127.0.0.1"
E164 = "+12025550199"

# {call_id}: another one each time. A page that needs more of the database gets more in bench.history.
PAGES = (
    ("Overview", "/"),
    ("Overview, 7 days", "/?days=7"),
    ("Overview, 30 days", "/?days=30"),
    ("Calls", "/calls"),
    ("Calls, far back", "/calls?created_before={middle}"),
    ("Calls, failed", "/calls?end_reason=failed"),
    ("Calls, of one agent and direction", "/calls?agent_id={agent_id}&direction=inbound"),
    ("Calls, one party", "/calls?party={party}"),
    ("Calls, nothing matches", "/calls?end_reason=expired&answered_by=fax"),
    ("Calls, a rare word", "/calls?words=r4711"),
    ("Calls, words of every call", "/calls?words=hello+customer"),
    ("Calls, a word of 3 % of the calls", "/calls?words=sometimes"),
    ("One call", "/calls/{call_id}"),
    ("Phone numbers", "/phone-numbers"),
    ("Connect a number", "/phone-numbers/connect"),
    ("Agents", "/agents"),
    ("One agent", "/agents/{agent_id}"),
    ("Settings", "/settings"),
    ("Audit log", "/settings/audit-log"),
    ("API reference", "/docs"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveView:
    """`change`: makes something happen to a call that the view shows."""

    name: str
    url: str
    change: Callable[[AsyncEngine, str, int], Awaitable[None]]


async def another_state(engine: AsyncEngine, call_id: str, number: int) -> None:
    state = ("ringing", "in_progress")[number % 2]
    async with engine.begin() as conn:
        await conn.execute(update(calls).where(calls.c.id == call_id).values(state=state, end_reason=None))
        await add_event(conn, call_id, "state", {"state": state})


async def another_turn(engine: AsyncEngine, call_id: str, number: int) -> None:
    seq = 100_000 + number
    turn = {"speaker": "callee", "text": f"Sentence {number}.", "start_ms": seq, "end_ms": seq + 900}
    async with engine.begin() as conn:
        await conn.execute(insert(turns).values(call_id=call_id, seq=seq, **turn))
        await add_event(conn, call_id, "transcript", {"seq": seq})


LIVE = (
    LiveView(name="Overview", url="/live/overview", change=another_state),
    LiveView(name="Overview, 30 days", url="/live/overview?days=30", change=another_state),
    LiveView(name="Calls", url="/live/calls", change=another_state),
    LiveView(name="One call", url="/live/calls/{call_id}", change=another_turn),
)


def pages(options: Options) -> Result:
    with fresh_database() as (data_dir, postgres):
        return uvloop.run(_measure(options, data_dir, postgres.start()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    app: FastAPI
    engine: AsyncEngine
    cookie: str
    call_ids: Sequence[str]
    names: dict[str, str]

    def url(self, template: str, call_id: str) -> str:
        return template.format(call_id=call_id, **self.names)


async def _measure(options: Options, data_dir: Path, database_url: str) -> Result:
    count, viewers = options.pick(100_000, 300), options.pick(200, 5)
    async with _site(data_dir, database_url, count) as site:
        rows = [await _page(site, name, url, options.pick(100, 3)) for name, url in PAGES]
        live = [await _live(site, view, viewers, options.pick(50, 3)) for view in LIVE]
    slowest = max(rows, key=lambda row: row["p95 ms"])
    latest = max(live, key=lambda row: row["p95 ms"])
    return Result(
        name="pages",
        title="Pages of the dashboard",
        figures=[
            _figure(f"slowest page, p95 ({slowest['page']})", slowest, TARGET_PAGE_MS),
            _figure(f"last viewer, p95 ({latest['page']})", latest, TARGET_LIVE_MS),
        ],
        rows=[*rows, *live],
        notes=[
            f"{count:,} calls with {count * TURNS_A_CALL:,} turns. A page: from the request to its last byte.",
            f"Live: {viewers} people look on; from the commit of a change until the last of them has it. CPU of this "
            "process while ten changes a second are shown, viewers included; PostgreSQL's comes on top.",
        ],
    )


async def _page(site: Site, name: str, template: str, times: int) -> dict[str, Any]:
    taken: list[float] = []
    size = 0
    cookies = {cookie_name(BASE_URL): site.cookie}
    transport = httpx.ASGITransport(site.app)
    async with httpx.AsyncClient(transport=transport, base_url=BASE_URL, cookies=cookies) as browser:
        for number, call_id in zip(range(times + 5), itertools.cycle(site.call_ids), strict=False):
            began = time.perf_counter()
            answer = await browser.get(site.url(template, call_id))
            if number >= 5:  # the first ones prepare statements and templates
                taken.append((time.perf_counter() - began) * 1000)
            if answer.status_code != 200:
                raise RuntimeError(f"{name}: status {answer.status_code}")
            size = len(answer.content)
    return _row(name, taken) | {"kB": round(size / 1000, 1)}


async def _live(site: Site, view: LiveView, viewers: int, times: int) -> dict[str, Any]:
    call_id = site.call_ids[0]
    async with site.engine.begin() as conn:
        await conn.execute(update(calls).where(calls.c.id == call_id).values(state="in_progress", end_reason=None))
    crowd = [Viewer() for _ in range(viewers)]
    tasks = [asyncio.create_task(one.look(site, site.url(view.url, call_id))) for one in crowd]
    await _all(crowd, 1)
    await asyncio.sleep(0.5)
    taken: list[float] = []
    process = psutil.Process()
    cpu_s, began_s = _cpu_s(process), time.perf_counter()
    for number in range(times):
        seen = [one.parts for one in crowd]
        await view.change(site.engine, call_id, number)
        began = time.perf_counter()
        await _all(crowd, 1, seen)
        taken.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(max(0.0, 0.1 - (time.perf_counter() - began)))
    percent = (_cpu_s(process) - cpu_s) / (time.perf_counter() - began_s) * 100
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return _row(f"{view.name}, live", taken) | {"viewers": viewers, "CPU %": round(percent)}


@dataclass(slots=True)
class Viewer:
    """A browser that looks at a live view: an ASGI server would write what `send` gets to a socket."""

    parts: int = 0
    got: asyncio.Event = field(default_factory=asyncio.Event)

    async def look(self, site: Site, url: str) -> None:
        path, _, query = url.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(b"host", b"127.0.0.1"), (b"cookie", f"{cookie_name(BASE_URL)}={site.cookie}".encode())],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        await site.app(scope, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        await asyncio.Event().wait()  # it stays until it is cancelled
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start" and message["status"] != 200:
            raise RuntimeError(f"Live view: status {message['status']}")
        if b"event: part" in message.get("body", b""):
            self.parts += 1
            self.got.set()


async def _all(crowd: Sequence[Viewer], count: int, seen: Sequence[int] | None = None) -> None:
    """Until every viewer has got `count` messages more than it had."""
    async with asyncio.timeout(30):
        for viewer, before in zip(crowd, seen or [0] * len(crowd), strict=True):
            while viewer.parts < before + count:
                viewer.got.clear()
                await viewer.got.wait()


@asynccontextmanager
async def _site(data_dir: Path, database_url: str, count: int) -> AsyncIterator[Site]:
    engine = create_engine(database_url)
    await upgrade(engine)
    box = SecretBox("a key for the benchmark")
    names = await _furnish(engine, box, count)
    async with Notifications(database_url) as notifications:
        services = Services(
            engine=engine,
            settings=Settings(data_dir=data_dir, public_url=BASE_URL),
            notifications=notifications,
            secret_box=box,
            recordings=Recordings(data_dir),
        )
        app = create_api(services)
        live_pages = add_dashboard(app, services)
        cookie = await _sign_in(engine, names["workspace_id"])
        yield Site(app=app, engine=engine, cookie=cookie, call_ids=await _some_calls(engine), names=names)
        await live_pages.aclose()
    await engine.dispose()


async def _furnish(engine: AsyncEngine, box: SecretBox, count: int) -> dict[str, str]:
    workspace_id = (await create_workspace(engine, name="Bench", lines=100))["id"]
    agent = await create_agent(engine, workspace_id, name="Bench", source=TALK, publish=True, by=COMMAND_LINE)
    number = await add_number(
        engine,
        box,
        workspace_id,
        NewNumber(
            carrier=CarrierName("twilio"),
            e164=E164,
            credentials={"account_sid": "AC" + "b" * 32, "auth_token": "bench-auth-token"},
            agent_id=agent["id"],
        ),
        public_url=BASE_URL,
        by=COMMAND_LINE,
    )
    ids = {"workspace_id": workspace_id, "number_id": number["id"], "agent_id": agent["id"]}
    await fill(engine, **ids, e164=E164, count=count)
    async with engine.connect() as conn:
        middle = (await conn.execute(select(calls).order_by(calls.c.created_at).offset(count // 2).limit(1))).one()
    party = middle.to if middle.direction == "outbound" else middle.from_
    return ids | {"middle": middle.created_at.strftime("%Y-%m-%dT%H:%M:%SZ"), "party": f"%2B{party[1:]}"}


async def _some_calls(engine: AsyncEngine) -> Sequence[str]:
    """The newest first, the others from all over the past."""
    async with engine.connect() as conn:
        newest = (await conn.scalars(select(calls.c.id).order_by(calls.c.created_at.desc()).limit(1))).all()
        others = (await conn.scalars(select(calls.c.id).order_by(calls.c.id).limit(100))).all()
    return [*newest, *others]


async def _sign_in(engine: AsyncEngine, workspace_id: str) -> str:
    member = await store.invite(
        engine,
        workspace_id,
        email="bench@example.com",
        name="Bench",
        role=Role.OPERATOR,
        by=COMMAND_LINE,
        base_url=BASE_URL,
    )
    return await use_link(engine, await make_link(engine, member["id"]), user_agent="Bench")


def _figure(name: str, row: dict[str, Any], target: float) -> Figure:
    return Figure(name=name, value=row["p95 ms"], unit="ms", target=target)


def _row(name: str, taken: Sequence[float]) -> dict[str, Any]:
    return {
        "page": name,
        "p50 ms": round(percentile(taken, 50), 1),
        "p95 ms": round(percentile(taken, 95), 1),
        "max ms": round(max(taken), 1),
        "kB": None,
        "viewers": None,
        "CPU %": None,
    }


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
