"""The simulator as an ASGI app, and as a server on loopback."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import Receive, Scope, Send

from outdial.simulator.brain.rest import Brain
from outdial.simulator.browser import BrowserPhones
from outdial.simulator.carrier import Api
from outdial.simulator.clock import Clock
from outdial.simulator.connection import SCOPE_KEY
from outdial.simulator.control import Control
from outdial.simulator.faults import Fault, Faults
from outdial.simulator.handset import Handsets
from outdial.simulator.model.control import ModelControl
from outdial.simulator.model.models import SimulatedModel
from outdial.simulator.model.rest import Models
from outdial.simulator.network import Network
from outdial.simulator.realtime.serving import Realtime
from outdial.simulator.speech.hearing import HearingVendors
from outdial.simulator.speech.serving import SpokenVendors
from outdial.simulator.telnyx.account import TelnyxAccount
from outdial.simulator.telnyx.config import TelnyxConfig
from outdial.simulator.telnyx.rest import TelnyxRest
from outdial.simulator.tools.control import ToolControl
from outdial.simulator.tools.rest import Tools
from outdial.simulator.twilio.account import TwilioAccount
from outdial.simulator.twilio.config import TwilioConfig
from outdial.simulator.twilio.rest import TwilioRest
from outdial.simulator.voices import Voice, offline_voice
from outdial.simulator.vonage.account import VonageAccount
from outdial.simulator.vonage.config import VonageConfig
from outdial.simulator.vonage.rest import VonageRest
from outdial.speech.base import SpeechToText, TextToSpeech

MAX_MESSAGE_BYTES = 256 * 1024  # a realtime session with its instructions and tools; a phone's are smaller
LOOPBACK = ("127.0.0.1", "localhost")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorConfig(TwilioConfig):
    """Twilio's account is set here itself, the others' by their own configurations."""

    pace: float = 1.0                 # of everything before the answer; see clock.Clock
    setup_s: float = 0.5              # from dialling to ringing
    ring_s: float = 3.0               # two short rings; real ones (2 s on, 4 s off) make a long demo
    phone_number: str = "+12025550190"  # of the phone in a browser that asks for no other
    allowed_origins: tuple[str, ...] = ()  # of pages that may be phones, as "https://outdial.example"; loopback always
    recordings_dir: Path | None = None  # what each phone said and heard, as <call id>.wav
    prompts_dir: Path = Path(".outdial/simulator/prompts")
    faults: tuple[Fault, ...] = ()
    vonage: VonageConfig = field(default_factory=VonageConfig)
    telnyx: TelnyxConfig = field(default_factory=TelnyxConfig)
    models: tuple[SimulatedModel, ...] = ()  # beside the demo's
    model_key: str = ""  # "": any is good
    tool_key: str = ""
    brain_key: str = ""


class Carriers:
    """The carriers that are simulated: each is a folder, its configuration, and a line here.

    Their routes are tried in this order, and Telnyx's last one answers everything under /v2.
    """

    def __init__(self, network: Network, config: SimulatorConfig) -> None:
        self.twilio = TwilioRest(network, config)
        self.vonage = VonageRest(network, config.vonage)
        self.telnyx = TelnyxRest(network, config.telnyx)

    def apis(self) -> tuple[Api, ...]:
        return tuple(vars(self).values())


class _Accounts:
    """The accounts under their own types, for tests in the same process."""

    network: Network
    carriers: Carriers

    @property
    def account(self) -> TwilioAccount:
        return self.carriers.twilio.account

    @property
    def vonage(self) -> VonageAccount:
        return self.carriers.vonage.account

    @property
    def telnyx(self) -> TelnyxAccount:
        return self.carriers.telnyx.account


@dataclass(frozen=True, kw_only=True)
class Simulator(_Accounts):
    """A running simulator. All but its addresses is for tests in the same process.

    Connections to `refusing_url` are refused: its port is taken, and nobody listens there.
    """

    base_url: str
    refusing_url: str
    network: Network
    carriers: Carriers
    model: Models
    tools: Tools
    brain: Brain
    realtime: Realtime


class SimulatorApp(Starlette, _Accounts):
    model: Models
    tools: Tools
    brain: Brain
    realtime: Realtime

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[SCOPE_KEY] = send  # the server's own, not yet wrapped; see connection.py
        await super().__call__(scope, receive, send)


def create_app(
    config: SimulatorConfig | None = None,
    *,
    callee_voice: TextToSpeech | None = None,
    agent_voice: TextToSpeech | None = None,
    vendors_ears: SpeechToText | None = None,
) -> SimulatorApp:
    """The simulator as an app with a lifespan: without it no phone moves. Ends every call when it closes.

    The voices default to the built-in offline engine; `agent_voice` speaks <Say> and the like, `vendors_ears` hear.
    """
    config = config or SimulatorConfig()
    network = Network(
        clock=Clock(config.pace),
        faults=Faults(config.faults),
        callee_voice=Voice(callee_voice) if callee_voice else offline_voice("callee", config.prompts_dir),
        agent_voice=Voice(agent_voice) if agent_voice else offline_voice("agent", config.prompts_dir),
        http=httpx.AsyncClient(verify=_tls(), trust_env=False, follow_redirects=False),
        recordings_dir=config.recordings_dir,
        setup_s=config.setup_s,
        ring_s=config.ring_s,
        handsets=Handsets(config.phone_number),
    )
    carriers = Carriers(network, config)
    apis = carriers.apis()
    accounts = [api.account for api in apis]
    model = Models(config.models, network.faults, api_key=config.model_key)
    tools = Tools(network.faults, key=config.tool_key)
    brain = Brain(network.faults, key=config.brain_key)
    hearing = HearingVendors(network.faults, vendors_ears)
    realtime = Realtime(network.faults, lambda: hearing.engine, network.agent_voice)
    of_model, of_tools = ModelControl(model), ToolControl(tools)
    about = {"model": of_model.about, "tools": of_tools.about, "brain": brain.about}
    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        network.start(network.pacer.run())
        try:
            yield
        finally:
            await network.aclose()

    app = SimulatorApp(
        routes=[
            *Control(network, accounts, about).routes(),
            *of_model.routes(),
            *of_tools.routes(),
            BrowserPhones(network, accounts, config.allowed_origins).route(),
            *model.routes(),
            *tools.routes(),
            *hearing.routes(),
            *realtime.routes(),
            *SpokenVendors(network.faults, network.agent_voice).routes(),
            *brain.routes(),
            *(route for api in apis for route in api.routes()),
        ],
        lifespan=lifespan,
    )
    app.network, app.carriers, app.model, app.tools = network, carriers, model, tools
    app.brain, app.realtime = brain, realtime
    return app


@cache
def _tls() -> ssl.SSLContext:
    """One for all simulators of the process: to read the certificates of the authorities takes a while."""
    return httpx.create_ssl_context(trust_env=False)


@contextlib.asynccontextmanager
async def serve(
    config: SimulatorConfig | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    listener: socket.socket | None = None,
    callee_voice: TextToSpeech | None = None,
    agent_voice: TextToSpeech | None = None,
    vendors_ears: SpeechToText | None = None,
) -> AsyncIterator[Simulator]:
    """The simulator in this event loop, at `listener` or where it is told to listen; `port` 0 takes a free one."""
    if listener is None:
        listener = socket.create_server((host, port))
    else:
        host = listener.getsockname()[0]
    app = create_app(config, callee_voice=callee_voice, agent_voice=agent_voice, vendors_ears=vendors_ears)
    if host in LOOPBACK:
        # A web page whose name was made to point at this machine ("DNS rebinding") still says its name.
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=LOOPBACK)
    refusing = socket.socket(listener.family)
    refusing.bind((host, 0))
    app.state.refusing_url = f"http://{host}:{refusing.getsockname()[1]}"
    server = _Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=2,
            ws="websockets-sansio",
            ws_max_size=MAX_MESSAGE_BYTES,
            ws_per_message_deflate=False,  # 20 ms of noise doesn't get smaller
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:
            if serving.done():
                serving.result()
                raise RuntimeError("the simulator did not start")
            await asyncio.sleep(0.005)
        address = f"{host}:{listener.getsockname()[1]}"
        yield Simulator(
            base_url=f"http://{address}",
            refusing_url=app.state.refusing_url,
            network=app.network,
            carriers=app.carriers,
            model=app.model,
            tools=app.tools,
            brain=app.brain,
            realtime=app.realtime,
        )
    finally:
        server.should_exit = True
        await serving
        listener.close()
        refusing.close()


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the program we run in."""
        yield
