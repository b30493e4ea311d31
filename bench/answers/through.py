"""The same openings through the running product: each is what a simulated callee says, over its carrier's websocket in
real time; the verdict, its evidence and its time come out of the API, our first word out of what the phone has heard.

Beside it stands what the detector makes of the stream of the same opening, as a call's record would tell it.
"""

import asyncio
import wave
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from pydantic import SecretStr

from bench.answers.corpus import Opening
from bench.answers.scoring import BEGINS_AFTER_MS, Outcome, as_recorded, report
from bench.scene import fresh_database
from outdial.agents.store import create_agent
from outdial.app import Running, running
from outdial.carriers.name import CarrierName
from outdial.lines.workspace_pools import create_workspace
from outdial.numbers.connecting import Connector
from outdial.numbers.new_number import NewNumber
from outdial.settings import Settings
from outdial.simulator.callee_steps import HangUp, Say, Wait
from outdial.simulator.callees import CALLEES, Callee, number_of
from outdial.simulator.server import Simulator, SimulatorConfig, serve
from outdial.workspaces.api_keys import create_api_key
from outdial.workspaces.audit import COMMAND_LINE

LASTS_S = 25       # a call: the longest opening, and our words
FIRST_ID = 1000    # of callees; the simulator's own have two digits
LOUD_RMS = 200     # of our voice, where the phone hears it
FRAME = 160        # samples, 20 ms
LOOK_S = 1.0
AMD = {"by": "local", "on_machine": "hang_up", "max_wait_s": 20}
SCRIPT = """
greet: after_hello
agent:
  name: Listener
start: hello
steps:
  hello:
    ask: Hello, this is a call from the clinic.
    wait_s: 15
    answers:
      - {words: [a word that nobody says], goto: hello}
    no_match: {retries: 5}
"""


class Tape:
    """What is said is an opening's name, and its audio is heard."""

    name = "openings"

    def __init__(self, openings: Sequence[Opening]) -> None:
        self._pcm = {one.name: one.pcm for one in openings}

    async def speak(self, text: str) -> AsyncIterator[bytes]:
        yield self._pcm[text]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    running: Running
    simulator: Simulator
    recordings: Path
    number_id: str
    http: httpx.AsyncClient


async def measure(openings: Sequence[Opening], streams: Sequence[dict[str, Any]], carrier: str, at_once: int) -> None:
    """`streams`: of the same openings."""
    _let_be_called(openings)
    async with _up(openings, CarrierName(carrier)) as server:
        turns = asyncio.Semaphore(at_once)
        live = await asyncio.gather(
            *(_called(server, turns, FIRST_ID + place, stored) for place, stored in enumerate(streams))
        )
    offline = [as_recorded(stored) for stored in streams]
    print(f"{'':58} {'through ' + carrier:34}   by its stream")
    for ours, theirs in zip(report(live), report(offline), strict=True):
        print(f"{ours[:58]} {ours[59:]:34} | {theirs[59:]}")
    apart = [pair for pair in zip(live, offline, strict=True) if not _agree(*pair)]
    print(f"\n{len(live) - len(apart)} of {len(live)} are judged alike; the others:")
    for one, other in apart:
        print(f"{one.stored['name']:32} {_told(one)}\n{'':32} {_told(other)}")


def _agree(live: Outcome, offline: Outcome) -> bool:
    return live.final == offline.final and (live.hang_up_ms is None) == (offline.hang_up_ms is None)


def _told(one: Outcome) -> str:
    spoke = "never spoken to" if one.speak_ms is None else f"spoken to at {one.speak_ms / 1000:.1f} s"
    hung_up = "" if one.hang_up_ms is None else f", hung up on at {one.hang_up_ms / 1000:.1f} s"
    return f"{one.final}: {spoke}{hung_up}; {'; '.join(one.evidence)}"


# -- on calls --------------------------------------------------------------------------------------------------------


def _let_be_called(openings: Sequence[Opening]) -> None:
    for place, one in enumerate(openings):
        id_ = str(FIRST_ID + place)
        CALLEES[id_] = Callee(id=id_, description=one.kind, script=(Say(one.name), Wait(60_000), HangUp()))


async def _called(server: Server, turns: asyncio.Semaphore, id_: int, stored: dict[str, Any]) -> Outcome:
    body = {"to": number_of(str(id_)), "amd": AMD, "max_duration_s": LASTS_S}
    async with turns:
        placed = await server.http.post(f"/v1/phone-number/{server.number_id}/outbound", json=body)
        placed.raise_for_status()
        call: dict[str, Any] = {}
        while call.get("state") != "ended":
            await asyncio.sleep(LOOK_S)
            call = (await server.http.get(f"/v1/calls/{placed.json()['call_id']}")).json()
    who = call["answered_by"] or {"category": "unknown", "evidence": [], "after_answer_ms": None}
    phone = server.recordings / f"{call['attempts'][-1]['carrier_call_id'].replace(':', '_')}.wav"
    return Outcome(
        stored=stored,
        final=who["category"],
        first="",
        speak_ms=_first_word_ms(phone),
        hang_up_ms=who["after_answer_ms"] if call["end_reason"] == "machine" else None,
        evidence=tuple(who["evidence"]),
    )


def _first_word_ms(recording: Path) -> int | None:
    """When the phone heard us first, since it was picked up, less what our first sound takes (as by a stream)."""
    with wave.open(str(recording)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2)[:, 1]
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME).astype(np.float64)
    loud = np.flatnonzero(np.sqrt((frames**2).mean(axis=1)) > LOUD_RMS)
    return int(loud[0]) * 20 - BEGINS_AFTER_MS if len(loud) else None


@asynccontextmanager
async def _up(openings: Sequence[Opening], carrier: CarrierName) -> AsyncIterator[Server]:
    """Outdial and its carriers, in this process, on a database of their own."""
    async with AsyncExitStack() as stack:
        folder, postgres = stack.enter_context(fresh_database())
        recordings = folder / "phones"
        config = SimulatorConfig(calls_per_second=0, pace=0.15, recordings_dir=recordings, prompts_dir=folder / "said")
        simulator = await stack.enter_async_context(serve(config, callee_voice=Tape(openings)))
        settings = Settings(
            database_url=SecretStr(await asyncio.to_thread(postgres.start)),
            data_dir=folder / "data",
            port=0,
            allowed_private_hosts="127.0.0.1",
        )
        outdial = await stack.enter_async_context(running(settings))
        number_id, key = await _number(outdial, simulator, config, carrier)
        http = httpx.AsyncClient(
            base_url=outdial.base_url, headers={"Authorization": key}, timeout=60, trust_env=False
        )
        await stack.enter_async_context(http)
        yield Server(
            running=outdial, simulator=simulator, recordings=recordings, number_id=number_id, http=http
        )


async def _number(
    outdial: Running, simulator: Simulator, config: SimulatorConfig, carrier: CarrierName
) -> tuple[str, str]:
    """A workspace with a number of this carrier and an agent that listens: the number's id, and an API key."""
    services = outdial.services
    workspace_id = (await create_workspace(services.engine, name="Answers", lines=100))["id"]
    key = (await create_api_key(services.engine, workspace_id, name="Answers", by=COMMAND_LINE))["key"]
    agent = await create_agent(
        services.engine, workspace_id, name="Listener", source=SCRIPT, publish=True, by=COMMAND_LINE
    )
    number, credentials = _account(simulator, config, carrier)
    connector = Connector(engine=services.engine, secret_box=services.secret_box, public_url=outdial.base_url)
    new = NewNumber(
        carrier=carrier, e164=number, credentials=credentials, agent_id=agent["id"], base_url=simulator.base_url,
        calls_per_second=100,
    )  # fmt: skip
    return (await connector.connect(workspace_id, new, by=COMMAND_LINE))["id"], key


def _account(simulator: Simulator, config: SimulatorConfig, carrier: CarrierName) -> tuple[str, dict[str, str]]:
    match carrier:
        case "twilio":
            return config.numbers[0], {"account_sid": config.account_sid, "auth_token": config.auth_token}
        case "vonage":
            account = config.vonage
            return account.numbers[0], {
                "api_key": account.api_key,
                "api_secret": account.api_secret,
                "signature_secret": account.signature_secret,
            }
        case "telnyx":
            public_key = simulator.telnyx.courier.signer.public_key
            return config.telnyx.numbers[0], {"api_key": config.telnyx.api_key, "public_key": public_key}
    raise ValueError(f"the simulator has no {carrier}")
