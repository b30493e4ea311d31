"""`outdial demo` as a newcomer starts it, in a process of its own."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from playwright.async_api import Browser

from terminal import Terminal

# How long to wait for what has to come. No test is about these times, and no wait lasts longer than it must: they have
# to be longer than a busy computer takes.
READY_S = 120.0
STOP_S = 30.0
PATIENCE_MS = 30_000
A_CALL_MS = 120_000  # to its end


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    base_url: str
    simulator_url: str
    sign_in_url: str  # works once
    api_key: str
    numbers: dict[str, str]  # ids by carrier

    def api(self) -> httpx.AsyncClient:
        headers = {"Authorization": self.api_key}
        return httpx.AsyncClient(base_url=self.base_url, headers=headers, timeout=30, trust_env=False)

    async def call_ended(self, call_id: str, timeout_s: float = A_CALL_MS / 1000) -> dict[str, Any]:
        """The call once it has ended and its recording is there, if there is to be one."""
        async with self.api() as http, asyncio.timeout(timeout_s):
            while True:
                call = (await http.get(f"/v1/calls/{call_id}")).json()
                if call["state"] == "ended" and (call["recording_url"] or call["answered_at"] is None):
                    return call
                await asyncio.sleep(0.2)

    async def called(self, to: str) -> str:
        """The id of a call to somebody that has ended."""
        async with self.api() as http:
            answer = await http.post(f"/v1/phone-number/{self.numbers['twilio']}/outbound", json={"to": to})
        call: str = (await self.call_ended(answer.json()["call_id"]))["id"]
        return call


async def signed_in(browser: Browser, demo: Demo) -> dict[str, Any]:
    """The cookies of the first person, who comes by the demo's link; it works once."""
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(demo.sign_in_url)
    await page.wait_for_url(f"{demo.base_url}/")
    state = await context.storage_state()
    await context.close()
    return dict(state)


@asynccontextmanager
async def running_demo(folder: Path, port: int | None = None) -> AsyncIterator[Demo]:
    """On what an earlier one left in the folder, too."""
    environment = _environment(folder) | {
        "OUTDIAL_DATA_DIR": str(folder / "data"),
        "OUTDIAL_PORT": str(port or free_port()),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    command = [sys.executable, "-m", "outdial", "demo", "--no-call", "--json"]
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        process = subprocess.Popen(  # noqa: ASYNC220 - asyncio's would belong to this loop
            command, env=environment, cwd=folder, stdout=out, stderr=err, start_new_session=True
        )
    try:
        ready = await _ready(process, folder)
        yield Demo(
            base_url=ready["base_url"],
            simulator_url=ready["simulator_url"],
            sign_in_url=ready["dashboard_url"],
            api_key=ready["api_key"],
            numbers=ready["numbers"],
        )
    finally:
        process.send_signal(signal.SIGINT)
        try:
            await asyncio.to_thread(process.wait, STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()


def beside(folder: Path) -> Terminal:
    """A terminal in the demo's folder, of the same user."""
    return Terminal(folder, _environment(folder) | {"COLUMNS": "200"})


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OUTDIAL_")}
    return kept | {"XDG_STATE_HOME": str(folder / "state")}


async def _ready(process: subprocess.Popen[bytes], folder: Path) -> dict[str, Any]:
    async with asyncio.timeout(READY_S):
        while True:
            line, _, rest = (folder / "out").read_bytes().partition(b"\n")
            if line and (rest or line.endswith(b"}")):
                event: dict[str, Any] = json.loads(line)
                assert event["event"] == "ready"
                return event
            assert process.poll() is None, (folder / "err").read_text()
            await asyncio.sleep(0.1)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port
