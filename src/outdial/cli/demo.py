"""outdial demo: Outdial and a simulated carrier on this machine, and a real conversation between them.

Outdial, the simulator and this command are three processes. The simulator is a peer as a carrier is one: it shares
nothing with Outdial but sockets, and on two cores neither disturbs the other's audio.
"""

import asyncio
import json as json_module
import logging
import os
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer
from rich.text import Text

from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS, carrier_named, default_carrier
from outdial.cli.api_client import ApiClient
from outdial.cli.browser import open_in_browser
from outdial.cli.children import Child
from outdial.cli.configuration import load_settings
from outdial.cli.demo_home import demo_settings, own_data_dir
from outdial.cli.demo_model import DemoModel, chosen_model, with_servers
from outdial.cli.demo_summary import judge, sum_up
from outdial.cli.failures import CommandFailed
from outdial.cli.narration import Story, tell_json, tell_other_calls
from outdial.cli.next_steps import EXAMPLE_FILE, SIMULATED_CALLEE, command
from outdial.cli.output import AsJson, console, print_json, progress
from outdial.cli.processes import a_listener, local_url, stop_signals
from outdial.cli.verbs import verbs
from outdial.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from outdial.cli.demo_setup import DemoSetup

app = verbs()

SIMULATOR_PORT = 8090
CALLS_PER_SECOND = 10
FRONT_DESK = "+12025550142"  # somebody answers there


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    carrier: CarrierName
    to: str
    amd: bool
    once: bool
    json: bool
    no_call: bool
    open: bool
    llm: "DemoModel | None" = None
    agents: Path | None = None


def _known(carrier: str) -> str:
    if carrier_named(carrier) is None:
        raise typer.BadParameter(f"{carrier!r} is not one of {', '.join(CARRIERS)}.")
    return carrier


class DemoAgent(StrEnum):
    SCRIPT = "script"
    LLM = "llm"


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Exit after the call; 0 only if it went as it should.")] = False,
    carrier: Annotated[
        str,
        typer.Option(
            help=f"Whose number to call from: {', '.join(CARRIERS)}. All are simulated.",
            metavar="NAME",
            callback=_known,
        ),
    ] = default_carrier().name,
    agent: Annotated[
        DemoAgent, typer.Option(help="Who talks: a script, or a model: a stand-in unless --model names a real one.")
    ] = DemoAgent.SCRIPT,
    model: Annotated[
        str | None,
        typer.Option(
            help="A real model, which may cost money: vendor:name with its key in the environment, or base URL and "
            "name: http://127.0.0.1:11434/v1/llama3.2.",
            metavar="NAME",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Agree to what --model may cost.")] = False,
    to: Annotated[str | None, typer.Option(help="Whom to call; +1202555 01NN are simulated callees.")] = None,
    amd: Annotated[
        bool | None,
        typer.Option("--amd/--no-amd", help="Answering machine detection. Default: on, but off with --to."),
    ] = None,
    json: AsJson = False,
    agents: Annotated[
        Path | None,
        typer.Option(help="Agents in Python: a file, or a folder of them, read again at each change (OUTDIAL_AGENTS)."),
    ] = None,
    no_call: Annotated[bool, typer.Option("--no-call", help="Start everything, call nobody.")] = False,
    open_: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the dashboard in a browser, where there is one.")
    ] = True,
) -> None:
    """Try Outdial beside a simulated carrier. Needs no account.

    Starts both, places a call through the API, and lets you read along. They stay up until Ctrl-C.
    """
    wanted = load_settings()
    llm = None
    if agent == DemoAgent.LLM or model is not None:
        llm = asyncio.run(chosen_model(model, wanted.model_keys, yes=yes))
    wish = Wish(
        carrier=CarrierName(carrier),
        llm=llm,
        to=to or SIMULATED_CALLEE,
        amd=to is None if amd is None else amd,
        once=once,
        json=json,
        no_call=no_call,
        open=open_,
        agents=agents,
    )
    if wanted.log_level.lower() == "info":
        logging.getLogger().setLevel(logging.WARNING)  # the steps are shown anyway
    with own_data_dir(wanted.data_dir) as data_dir:
        settings = demo_settings(wanted, data_dir)
        raise typer.Exit(asyncio.run(_Demo(settings, wish).run()))


class _Demo:
    def __init__(self, settings: Settings, wish: Wish) -> None:
        self._settings = settings
        self._wish = wish
        self._base_url = local_url(settings.host, settings.port)
        self._simulator_url = ""  # known once it is started
        self._model = wish.llm  # the stand-in has its address once the simulator is started
        self._calling = False  # a call is hung up in order by Ctrl-C, not cut off

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
                        progress.print("Stopping … (calls that talk hear a goodbye and are hung up)")

    async def _work(self, stack: AsyncExitStack, stop: asyncio.Event) -> int:
        began = time.monotonic()
        simulator, outdial = await self._start_children(stack)
        with step("Database"):
            from outdial.cli.demo_setup import set_up_demo  # takes a second, in which the children start
            from outdial.db.running import running_engine

            engine = await stack.enter_async_context(running_engine(self._settings))
        with step(simulator.name, self._simulator_url):
            await simulator.ready(f"{self._simulator_url}/_simulator")
        with step("Numbers"):
            made = await set_up_demo(
                engine,
                self._settings,
                self._simulator_url,
                calls_per_second=CALLS_PER_SECOND,
                model=None if self._model is None else self._model.name,
            )
        with step(outdial.name, self._base_url):
            await outdial.ready(f"{self._base_url}/readyz")
        progress.print(Text(f"Ready after {time.monotonic() - began:.1f} s.", style="dim"))
        client = ApiClient(self._base_url, made.api_key)
        stack.push_async_callback(client.aclose)
        if self._wish.json:
            print_json(
                {
                    "event": "ready",
                    "base_url": self._base_url,
                    "api_key": made.api_key,
                    "dashboard_url": made.dashboard_url,
                    "numbers": made.numbers,
                    "simulator_url": self._simulator_url,
                    **({"model": self._model.as_json()} if self._model else {}),
                }
            )
        elif not self._wish.once:
            console.print("\nThe dashboard, by a link that works once:\n")
            console.print(made.dashboard_url, style="bold", soft_wrap=True, markup=False)
            if self._wish.open:
                await asyncio.to_thread(open_in_browser, made.dashboard_url)
        faults: list[str] = []
        if not self._wish.no_call:
            faults = await self._call(client, made, engine, stop)
        if self._wish.once:
            return 1 if faults else 0
        if not stop.is_set():
            await self._stay_up(client, made, [simulator, outdial])
        return 0

    async def _start_children(self, stack: AsyncExitStack) -> tuple[Child, Child]:
        """Simulator and Outdial, both at once, so that they load their models while the database is made ready."""
        env = dict(os.environ)
        logs = self._settings.data_dir
        with a_listener("127.0.0.1", SIMULATOR_PORT) as listener:
            self._simulator_url = local_url("127.0.0.1", listener.getsockname()[1])
            simulator = await Child.start(
                "Carrier simulator",
                "simulator",
                f"--listen-fd={listener.fileno()}",
                f"--calls-per-second={CALLS_PER_SECOND}",
                env=env,
                log=logs / "simulator.log",
                inherits=listener,
            )
        stack.push_async_callback(simulator.stop)
        env["OUTDIAL_SIMULATOR_URL"] = self._simulator_url
        if self._model is not None:
            self._model = self._model.at(self._simulator_url)
        env = with_servers(env, self._model, self._simulator_url)
        env.setdefault("OUTDIAL_ALLOWED_PRIVATE_HOSTS", "127.0.0.1")  # webhooks to a program on this machine
        env["OUTDIAL_RELOAD_AGENTS"] = "true"
        if self._wish.agents is not None:
            env["OUTDIAL_AGENTS"] = str(self._wish.agents.absolute())
        env["OUTDIAL_DRAIN_S"] = "0"  # who presses Ctrl-C here waits for nobody
        outdial = await Child.start("Outdial", "serve", "--no-first-start", env=env, log=logs / "outdial.log")
        stack.push_async_callback(outdial.stop)
        return simulator, outdial

    async def _call(
        self, client: ApiClient, made: "DemoSetup", engine: "AsyncEngine", stop: asyncio.Event
    ) -> list[str]:
        """Place the call, tell it, sum it up; returns what went wrong."""
        body: dict[str, Any] = {"to": self._wish.to, "variables": {"user_name": "Jane", "account_type": "Premium"}}
        if self._wish.amd:
            body["amd"] = True
        if self._model is not None:
            body["variables"] = {"user_name": "Jane", "front_desk_number": FRONT_DESK}
            body["agent"] = {"id": made.llm_agent_id}
        if not self._wish.json:
            console.print()
            if self._model is not None:
                console.print(self._model.words, style="yellow", soft_wrap=True, markup=False)
                console.print()
            console.print(self._curl(made, body), style="bold", soft_wrap=True, markup=False)
            console.print()
        self._calling = True
        try:
            story = Story(console)
            tell = tell_json if self._wish.json else story
            call = await client.place_and_follow(made.numbers[self._wish.carrier], body, tell, stop)
        except CommandFailed as refused:
            if refused.code != "do_not_call" or self._wish.json:
                raise
            self._explain_do_not_call(refused)
            return [str(refused)]
        finally:
            self._calling = False
        from outdial.cli.demo_setup import recording_of

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
            model = None if self._model is None else self._model.title
            sum_up(call, recording, faults, answers=story.answers, model=model)
        return faults

    async def _stay_up(self, client: ApiClient, made: "DemoSetup", children: list[Child]) -> None:
        """Until Ctrl-C (which cancels this), or until a child ends."""
        if not self._wish.json:
            body = {"to": "+12025550105", "variables": {"user_name": "Jane"}, "amd": True}
            console.print("\nEverything stays up until Ctrl-C. Try a voicemail:\n")
            console.print(self._curl(made, body), style="bold", soft_wrap=True, markup=False)
            console.print(
                "\nAn agent of your own, in another terminal, in any folder (each command tells the next one):\n"
            )
            for words in (("agents", "example", ">", EXAMPLE_FILE), ("agents", "create", EXAMPLE_FILE, "--publish")):
                console.print(f"  {command(*words, anywhere=True)}", style="bold", soft_wrap=True, markup=False)
            console.print(
                f"\nDashboard: {self._base_url}   API: {self._base_url}/docs   Logs: {self._settings.data_dir}/*.log",
                style="dim",
                soft_wrap=True,
            )
        async with asyncio.TaskGroup() as group:
            for child in children:
                group.create_task(_fail_when_ended(child))
            if not self._wish.json:
                group.create_task(tell_other_calls(client))

    def _explain_do_not_call(self, refused: CommandFailed) -> None:
        """The list outlives the demo, so a callee who asked in an earlier one is refused in this one."""
        page = f"{self._base_url}/do-not-call?number={quote(self._wish.to)}"
        command = f"OUTDIAL_DATA_DIR={self._settings.data_dir} outdial do-not-call remove {self._wish.to}"
        console.print(Text(f"Refused: {refused}", style="yellow"), soft_wrap=True)
        console.print(f"\nThe list of this demo: {page}\nFrom anywhere: {command}", soft_wrap=True, markup=False)

    def _curl(self, made: "DemoSetup", body: dict[str, Any]) -> str:
        return (
            f"curl {self._base_url}/v1/phone-number/{made.numbers[self._wish.carrier]}/outbound \\\n"
            f"  -H 'Authorization: {made.api_key}' -H 'Content-Type: application/json' \\\n"
            f"  -d '{json_module.dumps(body)}'"
        )


@contextmanager
def step(name: str, detail: str = "") -> Iterator[None]:
    """Show that something is under way, and how long it took."""
    began = time.monotonic()
    with progress.status(f"{name} …"):
        yield
    took = f"{time.monotonic() - began:4.1f} s  {detail}"
    progress.print(Text.assemble(("✓ ", "green"), f"{name:<18}", (took, "dim")))


async def _fail_when_ended(child: Child) -> None:
    await child.wait()
    raise child.ended()
