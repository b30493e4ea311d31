"""The server that is measured, a process of its own: Outdial as `outdial serve` runs it, with a number to call from.

Only the engines and the agent of some calls are the benchmark's. Told what to do in JSON lines:

    {"do": "turns"}    → [[ms from the decision that the callee has finished until the agent spoke, … until the first
                         frames had left], …] since the last time
    {"do": "decisions"} → [[the callee's number, perf_counter() when it was decided that the callee has finished], …]
                         since the last time
    {"do": "undecided"} → how many calls our own detector of who answered listens to
    {"do": "left"}     → tasks of its event loop, and lines in use
    {"do": "trace"}    → [[perf_counter(), what], …]: commits and wake-ups, since the last time
"""

import asyncio
import inspect
import json
import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any
from weakref import WeakSet

import uvloop
from pydantic import SecretStr
from sqlalchemy import event, func, select

import outdial.shared
from bench import machine
from bench.processes import commands, say
from outdial import logs
from outdial.agents.ready_agents import ReadyAgent, ReadyAgents
from outdial.agents.store import create_agent
from outdial.app import Running, running
from outdial.carriers.name import CarrierName
from outdial.conversation.detection.live_detection import LiveDetection
from outdial.conversation.hearing import Hearing, Utterance
from outdial.conversation.live_call import LiveCall
from outdial.db.engine import reading
from outdial.db.tables import pools
from outdial.lines.workspace_pools import create_workspace
from outdial.numbers.new_number import NewNumber
from outdial.numbers.store import add_number
from outdial.policy.daily_limit import MAX_LIMIT, change_daily_limit
from outdial.serving import spare_startup_from_collection
from outdial.settings import Settings
from outdial.speech.base import TextToSpeech
from outdial.speech.engines import Speech
from outdial.speech.instant import InstantSpeechToText, InstantTextToSpeech
from outdial.speech.prompts import PromptCache
from outdial.workspaces.api_keys import create_api_key
from outdial.workspaces.audit import COMMAND_LINE

LINES = 5000
ANNOUNCEMENT = "This is an announcement for everybody who is on this line. " * 8  # half a minute

_turns: list[tuple[float, float]] = []
_decisions: list[tuple[str, float]] = []
_trace: list[tuple[float, str]] = []
_detections: WeakSet[LiveDetection] = WeakSet()
_decision: ContextVar["Decision"] = ContextVar("decision")


class Decision:
    """When this call last decided that its callee has finished; None once that was answered."""

    def __init__(self) -> None:
        self.at: float | None = None
        self.number = ""  # the callee's, once the agent speaks


def note_decisions() -> None:
    """From now on, every Hearing notes when it reports an utterance. The tasks that speak on its call are started
    after it was made, from the same context, so they inherit the note."""
    make = Hearing.__init__

    def make_noting(hearing: Hearing, *arguments: Any, **named: Any) -> None:
        given = inspect.signature(make).bind(hearing, *arguments, **named)
        report: Callable[[Utterance], None] = given.arguments["on_utterance"]
        decision = Decision()
        _decision.set(decision)

        def note(utterance: Utterance) -> None:
            decision.at = perf_counter()
            _decisions.append((decision.number, decision.at))
            report(utterance)

        given.arguments["on_utterance"] = note
        make(*given.args, **given.kwargs)

    Hearing.__init__ = make_noting  # type: ignore[method-assign, assignment]


def note_detections() -> None:
    """From now on, it is known which calls our own detector listens to."""
    make = LiveDetection.__init__

    def make_noting(detection: LiveDetection, *arguments: Any, **named: Any) -> None:
        make(detection, *arguments, **named)
        _detections.add(detection)

    LiveDetection.__init__ = make_noting  # type: ignore[method-assign, assignment]


class MeasuredTextToSpeech:
    """Asked for the reply's audio, an engine knows when the agent spoke; asked for more, that the first is sent."""

    def __init__(self, engine: TextToSpeech) -> None:
        self.name = engine.name
        self._engine = engine

    async def speak(self, text: str) -> AsyncIterator[bytes]:
        decision = _decision.get()
        decided, decision.at = decision.at, None
        asked = perf_counter()
        async for piece in self._engine.speak(text):
            yield piece
            if decided is not None:
                _turns.append(((asked - decided) * 1000, (perf_counter() - decided) * 1000))
                decided = None


class AnnouncingAgents(ReadyAgents):
    """Whatever their script says, all agents announce without listening (which no script does for long)."""

    async def agent(self, agent_id: str, version: int) -> ReadyAgent:
        return replace(await super().agent(agent_id, version), run=_announce)


class NamedAgents(ReadyAgents):
    """What is decided about their callees is noted with the number."""

    async def agent(self, agent_id: str, version: int) -> ReadyAgent:
        ready = await super().agent(agent_id, version)

        async def run(call: LiveCall) -> None:
            _decision.get().number = call.user_id
            await ready.run(call)

        return replace(ready, run=run)


async def _announce(call: LiveCall) -> None:
    while True:
        await call.say(ANNOUNCEMENT, interruptible=False)


async def main(config: dict[str, Any]) -> None:
    settings = Settings(
        data_dir=Path(config["data_dir"]),
        port=0,
        seats=2000,  # more calls than are ever up
        database_url=config["database_url"],
        max_requests_per_s=1_000_000,  # one key places all calls
        model_servers=SecretStr(json.dumps({config["model_url"]: ""})) if config["model_url"] else None,
        speech_vendors=SecretStr(json.dumps(config["speech_vendors"])) if config["speech_vendors"] else None,
    )
    prompts = settings.data_dir / "prompts"
    if config["speech"] == "instant":
        engine = MeasuredTextToSpeech(PromptCache(prompts, InstantTextToSpeech()))
        speech = Speech(to_text=InstantSpeechToText(), from_text=engine)
    else:
        speech = await Speech.offline(prompts)
    async with running(settings, speech=speech) as outdial:
        furnished = await _furnish(outdial, config)
        spare_startup_from_collection()  # as `outdial serve` does
        say({"base_url": outdial.base_url, **furnished})
        if config["trace"]:
            _watch(outdial)
        async for command in commands():
            match command["do"]:
                case "turns":
                    say(_turns)
                    _turns.clear()
                case "undecided":
                    say(sum(not detection._is_closed for detection in _detections))
                case "left":
                    say({"tasks": len(asyncio.all_tasks()), "lines": await _lines(outdial)})
                case "decisions":
                    say(_decisions)
                    _decisions.clear()
                case "trace":
                    say(_trace)
                    _trace.clear()


async def _furnish(outdial: Running, config: dict[str, Any]) -> dict[str, str]:
    """A workspace with more lines than anybody will need, an agent and a number."""
    engine = outdial.services.engine
    workspace = await create_workspace(engine, name="Bench", lines=LINES)
    await change_daily_limit(engine, workspace["id"], MAX_LIMIT, by=COMMAND_LINE)  # counted, as everybody's calls are
    key = await create_api_key(engine, workspace["id"], name="bench", by=COMMAND_LINE)
    agent = await create_agent(
        engine, workspace["id"], name="Bench", source=config["script"], publish=True, by=COMMAND_LINE
    )
    number = await add_number(
        engine,
        outdial.services.secret_box,
        workspace["id"],
        NewNumber(
            carrier=CarrierName("twilio"),
            e164="+12025550199",
            credentials={"account_sid": config["account_sid"], "auth_token": config["auth_token"]},
            agent_id=agent["id"],
            base_url=config["carrier_url"],
            calls_per_second=config["calls_per_second"],
        ),
        public_url=outdial.base_url,
        by=COMMAND_LINE,
    )
    return {"key": key["key"], "number_id": number["id"]}


async def _lines(outdial: Running) -> int:
    async with reading(outdial.services.engine) as conn:
        return (await conn.execute(select(func.sum(pools.c.used_outbound + pools.c.used_inbound)))).scalar_one()


def _watch(outdial: Running) -> None:
    """Note the milestones of a dial, without touching it."""
    event.listen(outdial.services.engine.sync_engine, "commit", lambda _: _trace.append((perf_counter(), "commit")))
    outdial.services.notifications.subscribe("outdial_queue", lambda _: _trace.append((perf_counter(), "woken")))


if __name__ == "__main__":
    arguments = json.loads(sys.argv[1])
    machine.pin(arguments["core"])
    logs.set_up("warning")
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    note_decisions()
    note_detections()
    if arguments["announce"]:
        outdial.shared.ReadyAgents = AnnouncingAgents  # type: ignore[attr-defined]
    elif arguments["model_url"]:
        outdial.shared.ReadyAgents = NamedAgents  # type: ignore[attr-defined]
    uvloop.run(main(arguments))
