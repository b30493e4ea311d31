"""Outdial beside the simulator in one process, and what can be seen of it from outside: by HTTP, and at the carrier."""

import asyncio
import io
import itertools
import json
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray
from pydantic import SecretStr
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from agents.llm.model_server import ModelServer, model_server
from end_to_end.python_agents import FILES
from outdial.agents.store import create_agent
from outdial.app import Running, running
from outdial.carriers.name import CarrierName
from outdial.db.tables import callbacks
from outdial.lines.workspace_pools import create_workspace
from outdial.media.tones import DTMF_COLUMNS_HZ, DTMF_KEYS, DTMF_ROWS_HZ
from outdial.numbers.connecting import Connector
from outdial.numbers.new_number import NewNumber
from outdial.settings import Settings
from outdial.simulator.calls import Call, Direction
from outdial.simulator.faults import Fault, FaultKind
from outdial.simulator.model.models import Call as ModelCall
from outdial.simulator.model.models import Rule, SimulatedModel, When
from outdial.simulator.server import Simulator, SimulatorConfig, serve
from outdial.simulator.telnyx.config import TelnyxConfig
from outdial.simulator.vonage.account import VonageConfig
from outdial.workspaces.api_keys import create_api_key
from outdial.workspaces.audit import COMMAND_LINE
from outdial.workspaces.secrets import SecretBox
from own_time import OwnTime, keep_own_time

CALLEE = "+120255501"  # and two digits: see the table in docs/simulator.md
HUMAN = CALLEE + "00"
REMINDER = (files("outdial.agents") / "examples/appointment_reminder.yaml").read_text()
SHORT = """
agent:
  name: Short
machine:
  action: hang_up
start: greeting
steps:
  greeting:
    say: Hello {user_name|there}, this is a test call.
    hang_up: Goodbye.
"""
TALKATIVE = """
agent:
  name: Talkative
start: greeting
steps:
  greeting:
    - say: Hello, this is a test call. It goes on for a while, and it says nothing that anybody needs to know.
    - ask: Are you still there?
      no_reply: {retries: 5}
      no_match: {retries: 5}
      answers:
        - words: [a word that nobody says]
          goto: greeting
"""
# Nobody waits half a minute for a sweep in a test. Leases are renewed every 2 s, which counts as a sign of life.
IMPATIENT = {
    "sweep_every_s": 0.5,
    "silent_after_s": 3.0,
    "settle_s": 3.0,
    "stream_start_timeout_s": 4.0,
    "lease_s": 6.0,
    "max_requests_per_s": 10_000,  # tests ask all the time how things are
}
# Talks in a part of a script, until it ends that part.
CLERK = SimulatedModel(
    name="simulated-clerk",
    rules=(
        Rule(
            when=When(user="works for me", declared="exit"),
            say="Very good.",
            calls=(
                ModelCall(tool="note", arguments={"day": "Friday"}),
                ModelCall(tool="exit", arguments={"to": "agreed"}),
            ),
        ),
        Rule(say="Would Friday suit you?"),
    ),
)
NewDatabase = Callable[[], str]
PATIENCE_S = 150.0  # with one call


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    speaker: str
    text: str
    start_ms: int
    end_ms: int | None
    interrupted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A call as its customer saw it: the event feed while it lasted, and the call afterwards."""

    events: list[tuple[str, dict[str, Any]]]
    call: dict[str, Any]

    @property
    def states(self) -> list[str]:
        return [data["state"] for type_, data in self.events if type_ == "state"]

    @property
    def end(self) -> str | None:
        return self.call["end_reason"]

    @property
    def answered_by(self) -> str | None:
        return self.call["answered_by"] and self.call["answered_by"]["category"]

    @property
    def turns(self) -> list[Turn]:
        names = ("speaker", "text", "start_ms", "end_ms", "interrupted")
        return [Turn(**{name: turn[name] for name in names}) for turn in self.call["transcript"]]

    def said(self, speaker: str) -> str:
        """All that one side said, in one text."""
        return " ".join(turn.text for turn in self.turns if turn.speaker == speaker)

    def named(self, type_: str) -> list[dict[str, Any]]:
        return [data for name, data in self.events if name == type_]


class Customer:
    """A workspace with a number of its own and an agent behind it. Everything it does goes by HTTP."""

    def __init__(self, http: httpx.AsyncClient, workspace_id: str, number_id: str, number: str, key: str) -> None:
        self.http = http
        self.workspace_id = workspace_id
        self.number_id = number_id
        self.number = number
        self.key = key

    async def ask(self, to: str = HUMAN, *, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
        """The request of product.md, section 1, whatever comes of it."""
        url = f"/v1/phone-number/{self.number_id}/outbound"
        return await self.http.post(url, json={"to": to, **body}, headers=headers)

    async def place(self, to: str = HUMAN, **body: Any) -> str:
        """The id of an accepted call."""
        response = await self.ask(to, **body)
        assert response.status_code == 200, response.text
        return response.json()["call_id"]

    async def follow(self, call_id: str, timeout_s: float = PATIENCE_S) -> Story:
        """The call's feed to its end, then the call."""
        events = [event async for event in self.events(call_id, timeout_s)]
        return Story(events=events, call=await self.get(call_id))

    async def call(self, to: str = HUMAN, **body: Any) -> Story:
        return await self.follow(await self.place(to, **body))

    async def events(
        self, call_id: str, timeout_s: float = PATIENCE_S
    ) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        type_ = ""
        async with (
            asyncio.timeout(timeout_s),
            self.http.stream("GET", f"/v1/calls/{call_id}/events", timeout=timeout_s) as response,
        ):
            assert response.status_code == 200
            async for line in response.aiter_lines():
                name, _, value = line.partition(": ")
                if name == "event":
                    type_ = value
                elif name == "data":
                    yield type_, json.loads(value)

    async def until(self, call_id: str, state: str, timeout_s: float = PATIENCE_S) -> None:
        """Until the call is in this state."""
        async for type_, data in self.events(call_id, timeout_s):
            if type_ == "state" and data["state"] == state:
                return
        raise AssertionError(f"the call ended without having been {state}")

    async def until_something_is_said(self, call_id: str) -> None:
        """By the agent."""
        async for type_, data in self.events(call_id):
            if type_ == "transcript" and data["speaker"] == "agent":
                return
        raise AssertionError("the call ended without a word")

    async def get(self, call_id: str) -> dict[str, Any]:
        return (await self.http.get(f"/v1/calls/{call_id}")).json()

    async def hang_up(self, call_id: str) -> httpx.Response:
        return await self.http.post(f"/v1/calls/{call_id}/hang-up")

    async def recording(self, call_id: str) -> "Audio":
        response = await self.http.get(f"/v1/calls/{call_id}/recording")
        assert response.status_code == 200, response.text
        return Audio.of(response.content)

    async def used_lines(self) -> int:
        pool = (await self.http.get("/v1/workspace")).json()["pool"]
        return pool["used_outbound"] + pool["used_inbound"]


class World:
    """One server and one carrier. `customer` adds a customer."""

    def __init__(
        self, outdial: Running, simulator: Simulator, config: SimulatorConfig, folder: Path, new_database: NewDatabase
    ) -> None:
        self.folder = folder
        self.new_database = new_database
        self.outdial = outdial
        self.simulator = simulator
        self.config = config
        self.base_url = outdial.base_url
        self._numbers = {
            CarrierName("twilio"): iter(config.numbers),
            CarrierName("vonage"): iter(config.vonage.numbers),
            CarrierName("telnyx"): iter(config.telnyx.numbers),
        }
        self.customers: list[Customer] = []
        self.own_time: OwnTime
        self.model: ModelServer

    @classmethod
    @asynccontextmanager
    async def up(cls, new_database: NewDatabase, folder: Path, pace: float = 0.15) -> AsyncIterator["World"]:
        """All of it in the loop's own time: what else this computer has to do is no part of these conversations."""
        own_time = keep_own_time()
        config = simulator_config(folder, pace)
        async with AsyncExitStack() as stack:
            model = await stack.enter_async_context(model_server())
            agents = folder / "agents"
            agents.mkdir(parents=True)
            for name, code in FILES.items():
                (agents / name).write_text(code)
            simulator = await stack.enter_async_context(serve(config))
            settings = Settings(
                agents=agents,
                database_url=SecretStr(new_database()),
                data_dir=folder / "data",
                port=0,
                model_servers=SecretStr(json.dumps({model.url: "", f"{simulator.base_url}/model/v1": ""})),
                speech_vendors=SecretStr(json.dumps({
                    "deepgram": {"url": f"{simulator.base_url}/deepgram"},  # its key is a workspace's secret
                    "cartesia": {"url": f"{simulator.base_url}/cartesia", "key": "k"},
                    "elevenlabs": {"url": f"{simulator.base_url}/elevenlabs", "key": "k"},
                })),
                allowed_private_hosts="127.0.0.1",
                **IMPATIENT,
            )
            outdial = await stack.enter_async_context(running(settings))
            world = cls(outdial, simulator, config, folder, new_database)
            world.own_time, world.model = own_time, model
            try:
                yield world
            finally:
                await asyncio.gather(*(customer.http.aclose() for customer in world.customers))

    async def customer(
        self,
        script: str = SHORT,
        *,
        lines: int = 50,
        carrier: CarrierName = CarrierName("twilio"),
        simulator: Simulator | None = None,
        carrier_url: str | None = None,
    ) -> Customer:
        """`simulator`: another one than this world's. `carrier_url`: where it is reached, if not at its own address."""
        services = self.outdial.services
        simulator = simulator or self.simulator
        customer = await connect_customer(
            services.engine,
            services.secret_box,
            self.base_url,
            carrier_url=carrier_url or simulator.base_url,
            config=self.config,
            number=next(self._numbers[carrier]),
            script=script,
            lines=lines,
            carrier=carrier,
            telnyx_public_key=simulator.telnyx.courier.signer.public_key,
        )
        self.customers.append(customer)
        return customer

    async def call_in(self, customer: Customer, callee: str = "00", from_: str = "+12025550199") -> str:
        """Somebody calls the customer's number; the simulator's id of that call."""
        url = f"{self.simulator.base_url}/_simulator/inbound"
        body = {"to": customer.number, "from": from_, "callee": callee}
        async with httpx.AsyncClient(trust_env=False) as http:
            response = await http.post(url, json=body)
        assert response.status_code == 201, response.text
        return response.json()["sid"]

    async def settle(self) -> None:
        """Until every callback that was taken is worked through."""
        query = select(func.count()).select_from(callbacks).where(callbacks.c.handled_at.is_(None))
        async with asyncio.timeout(PATIENCE_S):
            while True:
                async with self.outdial.services.engine.connect() as conn:
                    if not (await conn.execute(query)).scalar_one():
                        return
                await asyncio.sleep(0.05)

    def fault(self, customer: Customer, kind: FaultKind, **details: Any) -> None:
        """Something goes wrong with this customer's calls."""
        self.simulator.network.faults.add(Fault(kind=kind, number=customer.number, **details))

    def dials(self, customer: Customer, simulator: Simulator | None = None) -> list[Call]:
        """Every call the carrier was asked for by this customer, oldest first."""
        book = (simulator or self.simulator).network.book.newest_first()
        dialled = [call for call in book if call.direction is Direction.OUTBOUND_API]
        return [call for call in dialled[::-1] if call.from_ == customer.number]

    def heard(self, call: dict[str, Any]) -> "Audio":
        """What the phone at the other end said (left) and heard (right)."""
        [*_, attempt] = call["attempts"]
        return self.heard_by(attempt["carrier_call_id"])

    def heard_by(self, phone: str) -> "Audio":
        """The same, by the simulator's id of the call."""
        assert self.config.recordings_dir is not None
        return Audio.of((self.config.recordings_dir / f"{phone.replace(':', '_')}.wav").read_bytes())


async def connect_customer(
    engine: AsyncEngine,
    secret_box: SecretBox,
    base_url: str,
    *,
    carrier_url: str,
    config: SimulatorConfig,
    number: str,
    script: str,
    lines: int = 50,
    carrier: CarrierName = CarrierName("twilio"),
    telnyx_public_key: str = "",
) -> Customer:
    """A workspace at the server of `base_url` and `engine`, with one number and one agent. Close its `http`."""
    workspace_id = (await create_workspace(engine, name="Clinic", lines=lines))["id"]
    key = (await create_api_key(engine, workspace_id, name="Test", by=COMMAND_LINE))["key"]
    agent = await create_agent(engine, workspace_id, name="Agent", source=script, publish=True, by=COMMAND_LINE)
    connector = Connector(engine=engine, secret_box=secret_box, public_url=base_url)
    connected = await connector.connect(
        workspace_id,
        NewNumber(
            carrier=carrier,
            e164=number,
            credentials=credentials_of(carrier, config, telnyx_public_key),
            agent_id=agent["id"],
            base_url=carrier_url,
            calls_per_second=100,
        ),
        by=COMMAND_LINE,
    )
    http = httpx.AsyncClient(base_url=base_url, headers={"Authorization": key}, timeout=60, trust_env=False)
    return Customer(http, workspace_id, connected["id"], number, key)


def credentials_of(carrier: CarrierName, config: SimulatorConfig, telnyx_public_key: str) -> dict[str, str]:
    """Of the simulated account, without what connecting a number makes."""
    match carrier:
        case "twilio":
            return {"account_sid": config.account_sid, "auth_token": config.auth_token}
        case "vonage":
            vonage = config.vonage
            return {
                "api_key": vonage.api_key,
                "api_secret": vonage.api_secret,
                "signature_secret": vonage.signature_secret,
            }
        case "telnyx":
            return {"api_key": config.telnyx.api_key, "public_key": telnyx_public_key}


def simulator_config(folder: Path, pace: float = 0.15) -> SimulatorConfig:
    """Phones ring for 3 s, times `pace`. Every customer gets one of the numbers."""
    numbers = tuple(f"+1555777{last:04d}" for last in range(500))
    return SimulatorConfig(
        numbers=numbers,
        models=(CLERK,),
        calls_per_second=0,
        pace=pace,
        prompts_dir=folder / "callees",
        recordings_dir=folder / "phones",
        vonage=VonageConfig(numbers=tuple(f"+1555778{last:04d}" for last in range(500)), calls_per_second=0),
        telnyx=TelnyxConfig(numbers=tuple(f"+1555779{last:04d}" for last in range(500)), dials_per_second=0),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Audio:
    """A stereo recording at 8000 Hz: the callee on the left, the agent on the right."""

    left: NDArray[np.int16]
    right: NDArray[np.int16]

    @classmethod
    def of(cls, data: bytes) -> "Audio":
        with wave.open(io.BytesIO(data)) as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8000)
            samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2)
        return cls(left=samples[:, 0], right=samples[:, 1])

    @property
    def duration_ms(self) -> int:
        return len(self.left) // 8


def loud(channel: NDArray[np.int16]) -> NDArray[np.bool_]:
    """For each 20 ms: whether there is a sound to be heard."""
    frames = channel[: len(channel) // 160 * 160].reshape(-1, 160).astype(np.float64)
    return np.sqrt((frames**2).mean(axis=1)) > 200


def sounds(channel: NDArray[np.int16], pause_ms: int = 400) -> list[tuple[int, int]]:
    """The stretches of sound in a channel, in ms, where pauses up to `pause_ms` don't count."""
    stretches: list[tuple[int, int]] = []
    for index in np.flatnonzero(loud(channel)):
        start = int(index) * 20
        if stretches and start - stretches[-1][1] <= pause_ms:
            stretches[-1] = (stretches[-1][0], start + 20)
        else:
            stretches.append((start, start + 20))
    return stretches


def part_heard(pcm: bytes, channel: NDArray[np.int16]) -> float:
    """How much of a sound was heard in one go, from 0 to 1, by its energy; whatever else was heard around it."""
    sound = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
    size = len(channel) + len(sound)
    product = np.fft.rfft(channel.astype(np.float64), size) * np.conj(np.fft.rfft(sound, size))
    return float(np.fft.irfft(product, size).max() / (sound**2).sum())


def keys(channel: NDArray[np.int16]) -> str:
    """The keys whose tones (ITU-T Q.23) are in a channel, each as often as it was pressed: between two of ours there
    are 100 ms. A shorter gap is a tone's, whose frames came late."""
    windows = channel[: len(channel) // 160 * 160].reshape(-1, 160).astype(np.float64)
    time = np.arange(160) / 8000
    strength = {
        hz: np.abs(windows @ np.exp(-2j * np.pi * hz * time)) ** 2 / 80 for hz in (*DTMF_ROWS_HZ, *DTMF_COLUMNS_HZ)
    }
    rows, columns = (np.array([strength[hz] for hz in tones]) for tones in (DTMF_ROWS_HZ, DTMF_COLUMNS_HZ))
    energy = (windows**2).sum(axis=1)
    pure = (rows.max(axis=0) + columns.max(axis=0) > 0.8 * energy) & (energy > 160 * 500**2)
    pure &= np.minimum(rows.max(axis=0), columns.max(axis=0)) > 0.2 * energy
    heard = [
        DTMF_KEYS[row][column] if is_key else ""
        for row, column, is_key in zip(rows.argmax(axis=0), columns.argmax(axis=0), pure, strict=True)
    ]
    runs = [(key, len(list(windows))) for key, windows in itertools.groupby(heard)]
    whole = (key for key, length in runs if key or length > 3)
    return "".join(key for key, _ in itertools.groupby(whole))


names = (f"end_to_end_{number}" for number in itertools.count(1))  # of databases
