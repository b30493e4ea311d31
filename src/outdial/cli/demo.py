"""outdial demo: Outdial and a simulated carrier on this machine, and a real conversation between them.

Outdial, the simulator and this command are three processes. The simulator is a peer as a carrier is one: it shares
nothing with Outdial but sockets, and on two cores neither disturbs the other's audio.
"""

import asyncio
import fcntl
import json as json_module
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Any

import typer
from rich.text import Text
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.cli import simulator
from outdial.cli.api_client import ApiClient
from outdial.cli.children import Child
from outdial.cli.database import load_settings
from outdial.cli.demo_setup import DemoSetup, SimulatedTwilio, recording_of, set_up_demo
from outdial.cli.failures import CommandFailed
from outdial.cli.narration import Story, tell_json
from outdial.cli.output import AsJson, console, print_json, progress
from outdial.cli.processes import a_free_port, local_url, stop_signals
from outdial.db.running import running_engine
from outdial.settings import Settings

CALLEE = "+12025550100"
SIMULATOR_PORT = 8090
CALLS_PER_SECOND = 10
READY = {"Carrier simulator": "/_simulator", "Outdial": "/readyz"}

# What a call to each of these simulated callees ends with, when all is well; every other one is completed.
ENDS = {
    "+12025550102": {"busy", "declined", "no_answer"},
    "+12025550103": {"busy"},
    "+12025550104": {"no_answer"},
    "+12025550107": {"failed"},
}
MACHINES = {"+12025550105", "+12025550106", "+12025550108"}  # with detection on: hung up on
TALKERS = {"+12025550100", "+12025550101"}                   # both sides are heard


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    to: str
    amd: bool
    once: bool
    json: bool
    no_call: bool


def demo(
    once: Annotated[bool, typer.Option("--once", help="Exit after the call; 0 only if it went as it should.")] = False,
    to: Annotated[str | None, typer.Option(help="Whom to call; +1202555 01NN are simulated callees.")] = None,
    amd: Annotated[
        bool | None,
        typer.Option("--amd/--no-amd", help="Answering machine detection. Default: on, but off with --to."),
    ] = None,
    json: AsJson = False,
    no_call: Annotated[bool, typer.Option("--no-call", help="Start everything, call nobody.")] = False,
) -> None:
    """Start Outdial beside a simulated carrier, place a call through the API, and read along. Needs no account."""
    wish = Wish(to=to or CALLEE, amd=to is None if amd is None else amd, once=once, json=json, no_call=no_call)
    wanted = load_settings()
    with _own_data_dir(wanted.data_dir) as data_dir:
        settings = _demo_settings(wanted, data_dir)
        raise typer.Exit(asyncio.run(_Demo(settings, wish).run()))


class _Demo:
    def __init__(self, settings: Settings, wish: Wish) -> None:
        self._settings = settings
        self._wish = wish
        self._base_url = local_url(settings.host, settings.port)
        self._twilio = SimulatedTwilio(
            url=local_url("127.0.0.1", a_free_port("127.0.0.1", SIMULATOR_PORT)),
            account_sid=simulator.DEFAULTS.account_sid,
            auth_token=simulator.DEFAULTS.auth_token,
            number=simulator.DEFAULTS.numbers[0],
            calls_per_second=CALLS_PER_SECOND,
        )

    async def run(self) -> int:
        with stop_signals() as stop:
            async with AsyncExitStack() as stack:
                working = asyncio.create_task(self._work(stack, stop))
                stopping = asyncio.create_task(stop.wait())
                await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
                stopping.cancel()
                if not working.done() and not self._calling:
                    working.cancel()  # still starting, or waiting for Ctrl-C
                try:
                    return await working
                except asyncio.CancelledError:
                    return 130 if self._wish.once else 0
                finally:
                    if not self._wish.once:
                        progress.print("Stopping …")

    _calling = False  # the call is hung up in order by Ctrl-C, not cut off

    async def _work(self, stack: AsyncExitStack, stop: asyncio.Event) -> int:
        began = time.monotonic()
        children = await self._start_children(stack)
        with step("Database"):
            engine = await stack.enter_async_context(running_engine(self._settings))
            made = await set_up_demo(engine, self._settings, self._twilio)
        for child, url in children:
            with step(child.name, url):
                await child.ready(url + READY[child.name])
        progress.print(Text(f"Ready after {time.monotonic() - began:.1f} s.", style="dim"))
        client = ApiClient(self._base_url, made.api_key)
        stack.push_async_callback(client.aclose)
        if self._wish.json:
            print_json(
                {
                    "event": "ready",
                    "base_url": self._base_url,
                    "api_key": made.api_key,
                    "numbers": {"twilio": made.number_id},
                    "simulator_url": self._twilio.url,
                }
            )
        faults: list[str] = []
        if not self._wish.no_call:
            faults = await self._call(client, made, engine, stop)
        if self._wish.once:
            return 1 if faults else 0
        if not stop.is_set():
            await self._stay_up(client, made, [child for child, _ in children])
        return 0

    async def _start_children(self, stack: AsyncExitStack) -> list[tuple[Child, str]]:
        """Both at once, so that they load their models while the database is made ready."""
        env = dict(os.environ)
        logs = self._settings.data_dir
        twilio = await Child.start(
            "Carrier simulator",
            "simulator",
            f"--port={self._twilio.url.rpartition(':')[2]}",
            f"--calls-per-second={CALLS_PER_SECOND}",
            env=env,
            log=logs / "simulator.log",
        )
        stack.push_async_callback(twilio.stop)
        outdial = await Child.start("Outdial", "serve", env=env, log=logs / "outdial.log")
        stack.push_async_callback(outdial.stop)
        return [(twilio, self._twilio.url), (outdial, self._base_url)]

    async def _call(
        self, client: ApiClient, made: DemoSetup, engine: AsyncEngine, stop: asyncio.Event
    ) -> list[str]:
        """Place the call, tell it, sum it up; returns what went wrong."""
        body: dict[str, Any] = {"to": self._wish.to, "variables": {"user_name": "Jane", "account_type": "Premium"}}
        if self._wish.amd:
            body["amd"] = True
        if not self._wish.json:
            console.print()
            console.print(self._curl(made, body), style="bold", soft_wrap=True, markup=False)
            console.print()
        self._calling = True
        try:
            tell = tell_json if self._wish.json else Story(console)
            call = await client.place_and_follow(made.number_id, body, tell, stop)
        finally:
            self._calling = False
        recording = await recording_of(engine, self._settings, call["id"])
        for _ in range(50):  # it is closed just after the last word
            if recording is not None or call["answered_at"] is None:
                break
            await asyncio.sleep(0.1)
            recording = await recording_of(engine, self._settings, call["id"])
            call = await client.get_call(call["id"])
        faults = judge(call, recording, amd=self._wish.amd)
        if self._wish.json:
            print_json({"event": "call", **call})
        else:
            _sum_up(call, recording, faults)
        return faults

    async def _stay_up(self, client: ApiClient, made: DemoSetup, children: list[Child]) -> None:
        """Until Ctrl-C (which cancels this), or until a child ends."""
        if not self._wish.json:
            body = {"to": "+12025550105", "variables": {"user_name": "Jane"}, "amd": True}
            console.print("\nEverything stays up until Ctrl-C. Try a voicemail:\n")
            console.print(self._curl(made, body), style="bold", soft_wrap=True, markup=False)
            console.print(f"\nAPI: {self._base_url}/docs   Logs: {self._settings.data_dir}/*.log", style="dim")
        async with asyncio.TaskGroup() as group:
            for child in children:
                group.create_task(_fail_when_ended(child))
            if not self._wish.json:
                group.create_task(_tell_other_calls(client))

    def _curl(self, made: DemoSetup, body: dict[str, Any]) -> str:
        return (
            f"curl {self._base_url}/v1/phone-number/{made.number_id}/outbound \\\n"
            f"  -H 'Authorization: {made.api_key}' -H 'Content-Type: application/json' \\\n"
            f"  -d '{json_module.dumps(body)}'"
        )


def judge(call: dict[str, Any], recording: Path | None, *, amd: bool) -> list[str]:
    """What isn't as it should be with a call to one of the simulated callees."""
    expected = ENDS.get(call["to"], {"machine"} if amd and call["to"] in MACHINES else {"completed"})
    faults = []
    if call["end_reason"] not in expected:
        error = (call["error"] or {}).get("message")
        faults.append(f"it ended {call['end_reason']}" + (f": {error}" if error else ""))
    if call["to"] in TALKERS:
        speakers = {turn["speaker"] for turn in call["transcript"] if turn["text"]}
        faults += [f"the {speaker} was not heard" for speaker in ("agent", "callee") if speaker not in speakers]
        if recording is None or not recording.exists():
            faults.append("there is no recording")
    return faults


@contextmanager
def step(name: str, detail: str = "") -> Iterator[None]:
    """Show that something is under way, and how long it took."""
    began = time.monotonic()
    with progress.status(f"{name} …"):
        yield
    took = f"{time.monotonic() - began:4.1f} s  {detail}"
    progress.print(Text.assemble(("✓ ", "green"), f"{name:<18}", (took, "dim")))


@contextmanager
def _own_data_dir(data_dir: Path) -> Iterator[Path]:
    """<data_dir>/demo, or demo-2, … while other demos run."""
    for name in ("demo", *(f"demo-{number}" for number in range(2, 10))):
        folder = (data_dir / name).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        file: IO[bytes]
        with (folder / "lock").open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            if name != "demo":
                progress.print(f"Another demo is running; this one keeps its data in {folder}.")
            yield folder
            return
    raise CommandFailed("nine demos are running already; stop one with Ctrl-C")


def _demo_settings(wanted: Settings, data_dir: Path) -> Settings:
    """The demo's own settings, for this process and its children: it never touches another database or key."""
    port = a_free_port(wanted.host, wanted.port)
    if port != wanted.port != 0:
        progress.print(f"Port {wanted.port} is taken; this demo uses {port}.")
    for name in [name for name in os.environ if name.startswith("OUTDIAL_")]:
        del os.environ[name]
    os.environ |= {
        "OUTDIAL_CONFIG": os.devnull,
        "OUTDIAL_DATA_DIR": str(data_dir),
        "OUTDIAL_HOST": wanted.host,
        "OUTDIAL_PORT": str(port),
        "OUTDIAL_PUBLIC_URL": local_url(wanted.host, port),
        "OUTDIAL_LOG_LEVEL": wanted.log_level,
    }
    return Settings()


def _sum_up(call: dict[str, Any], recording: Path | None, faults: list[str]) -> None:
    rows = [("Ended", str(call["end_reason"]).replace("_", " "))]
    if call["duration_s"] is not None:
        rows.append(("Talked", f"{call['duration_s']:.1f} s"))
    if call["answered_by"]:
        rows.append(("Answered by", call["answered_by"]["category"]))
    waits = [turn["latency"]["total"] for turn in call["transcript"] if (turn["latency"] or {}).get("total")]
    if waits:
        rows.append(("Replied after", f"{statistics.median(waits):.0f} ms (median, since the callee fell silent)"))
    if recording is not None:
        rows.append(("Recording", f"{recording} (left: callee, right: agent)"))
    console.print()
    for name, value in rows:
        console.print(Text.assemble((f"{name:<15}", "bold"), value), soft_wrap=True)
    for fault in faults:
        console.print(Text(f"Not as it should be: {fault}", style="red"), soft_wrap=True)


async def _fail_when_ended(child: Child) -> None:
    await child.wait()
    raise child.ended()


async def _tell_other_calls(client: ApiClient) -> None:
    """Tell the calls that are placed with the curl line, as they happen."""
    known = {call["id"] for call in await client.list_calls()}
    async with asyncio.TaskGroup() as group:
        while True:
            await asyncio.sleep(0.5)
            for call in await client.list_calls():
                if call["id"] not in known:
                    known.add(call["id"])
                    console.print(f"\n{call['id']}  to {call['to']}", style="bold")
                    group.create_task(client.follow(call["id"], Story(console)))
