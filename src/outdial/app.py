"""One Outdial process, put together: settings → database → shared machinery → dispatcher, sweep, HTTP server."""

import asyncio
import gc
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass

import uvicorn

from outdial.accounts.clients import Accounts
from outdial.agents.book import AgentBook
from outdial.agents.previews import Previews
from outdial.api.app import create_api
from outdial.api.callbacks import callbacks_router
from outdial.api.media_socket import Start, media_sockets
from outdial.api.services import Services
from outdial.callbacks.inbox import Callbacks
from outdial.callbacks.incoming import Doorway
from outdial.calls.workers import Worker
from outdial.carriers.registry import carrier_named
from outdial.conversation.call_facts import Engines
from outdial.dashboard.app import add_dashboard
from outdial.db.embedded import embedded
from outdial.db.engine import create_engine
from outdial.db.migrate import upgrade
from outdial.db.notify import Notifications
from outdial.dispatch.dialing import Dispatcher
from outdial.dispatch.sweep import Sweep
from outdial.live.conversations import LiveCalls
from outdial.media.pacer import Pacer
from outdial.media.voice_activity import VoiceActivity
from outdial.members.first_start import first_link
from outdial.settings import Settings
from outdial.speech.base import SpeechToText, TextToSpeech
from outdial.speech.offline import OfflineSpeechToText, OfflineTextToSpeech
from outdial.speech.prompts import PromptCache
from outdial.workspaces.secrets import SecretBox

MEDIA_PATH = "/media/"


class CannotListen(RuntimeError):
    """The address or port isn't to be had; the message says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """The engines calls speak and listen with."""

    to_text: SpeechToText
    from_text: TextToSpeech

    @classmethod
    async def offline(cls, settings: Settings) -> "Speech":
        """The engines in the package, loaded (or the first callee would wait for that), with spoken prompts kept
        on disk."""
        to_text, from_text = OfflineSpeechToText(), OfflineTextToSpeech()
        await asyncio.gather(to_text.warm_up(), from_text.warm_up())
        return cls(to_text=to_text, from_text=PromptCache(settings.data_dir / "prompts", from_text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A process that serves. `base_url` is what carriers and users are told."""

    base_url: str
    services: Services
    live: LiveCalls


@asynccontextmanager
async def running(
    settings: Settings,
    *,
    speech: Speech | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> AsyncIterator[Running]:
    """Everything up inside the `async with`: database, dispatcher, sweep and HTTP server. Ends in order: live
    calls are hung up, their transcripts and recordings saved, replies to dials awaited.

    `progress` is told each step that can take a while.
    """
    listener = _listen(settings)
    if settings.port == 0:
        settings = settings.model_copy(update={"port": listener.getsockname()[1]})
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        stack.callback(listener.close)
        if settings.database_url is not None:
            url = settings.database_url.get_secret_value()
        else:
            progress("Starting the embedded PostgreSQL")
            url = await stack.enter_async_context(embedded(settings.data_dir))
        engine = create_engine(url)
        stack.push_async_callback(engine.dispose)
        progress("Bringing the database up to date")
        await upgrade(engine)
        secret_box = SecretBox.from_settings(settings)
        notifications = await stack.enter_async_context(Notifications(url))
        worker = await stack.enter_async_context(Worker(engine, url))
        progress("Loading the speech models")
        speech = speech or await Speech.offline(settings)
        engines = Engines(
            speech_to_text=speech.to_text, text_to_speech=speech.from_text, voice_activity=VoiceActivity()
        )
        pacer = Pacer()
        accounts = Accounts(engine, secret_box)
        stack.push_async_callback(accounts.aclose)
        agents = AgentBook(engine)
        live = LiveCalls(
            engine,
            settings,
            notifications,
            secret_box,
            accounts.carrier,
            agents,
            engines,
            pacer,
            owner=worker.id,
        )
        dispatcher = Dispatcher(engine, settings, notifications, accounts.carrier, agents, owner=worker.id)
        sweep = Sweep(engine, settings, notifications, accounts.carrier, owner=worker.id)
        callbacks = Callbacks(engine, settings, secret_box, accounts.carrier)
        doorway = Doorway(engine, settings, secret_box, accounts.carrier, callbacks, owner=worker.id)
        services = Services(
            engine=engine,
            settings=settings,
            notifications=notifications,
            secret_box=secret_box,
            recordings_dir=settings.data_dir / "recordings",
            previews=Previews(speech.from_text),
        )
        api = create_api(services)
        api.include_router(callbacks_router(callbacks, doorway, settings.base_url))
        live_pages = add_dashboard(api, services)
        server = _Server(
            uvicorn.Config(
                api,
                ws=media_sockets(_handshake(live, settings)),  # type: ignore[arg-type]
                http="httptools",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                forwarded_allow_ips=settings.trusted_proxies,
                timeout_graceful_shutdown=5,
            )
        )
        background = {
            "dispatcher": dispatcher.run,
            "live calls": live.run,
            "callbacks": callbacks.run,
            "sweep": sweep.run,
            "voice activity": engines.voice_activity.run,
            "worker lock": worker.watch,
        }
        # One task group: a part that breaks takes the process down whole, instead of leaving it half alive.
        async with asyncio.TaskGroup() as group:
            tasks = {name: group.create_task(run(), name=name) for name, run in background.items()}
            http = group.create_task(server.serve(sockets=[listener]), name="http server")
            await server.up.wait()
            try:
                yield Running(base_url=settings.base_url, services=services, live=live)
            finally:
                tasks.pop("dispatcher").cancel()  # no new dials; those under way finish
                await live.aclose()
                await live_pages.aclose()
                server.should_exit = True
                await asyncio.wait({http})
                await doorway.aclose()
                for task in tasks.values():
                    task.cancel()


async def serve(
    settings: Settings,
    *,
    started: Callable[[str, str | None], None],
    progress: Callable[[str], None],
    first_start: bool = True,
) -> None:
    """Run until SIGINT or SIGTERM, then end live calls in order.

    `started` is told the base URL, and the link that lets the first person in while nobody has been in; without
    `first_start` somebody else takes care of that.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        async with running(settings, progress=progress) as outdial:
            spare_startup_from_collection()
            link = await first_link(outdial.services.engine, outdial.base_url) if first_start else None
            started(outdial.base_url, link)
            await stop.wait()
            progress("Stopping: live calls are hung up, then everything ends")
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def spare_startup_from_collection() -> None:
    """Never look again for garbage in what is there once the process is up: modules, models, routes. A full
    collection took a tenth of a second with it, in which no frame leaves."""
    gc.collect()
    gc.freeze()


class _Server(uvicorn.Server):
    """uvicorn's server inside our own life cycle: it takes no signals and says when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.up.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(settings: Settings) -> socket.socket:
    """Bound before anything else starts: a taken port is the most common fault of a start."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise CannotListen(f"Can't listen on {settings.host}:{settings.port}: {error.strerror}") from error
    return listener


def _handshake(
    live: LiveCalls, settings: Settings
) -> Callable[[str, Mapping[str, str]], Awaitable[Start | None]]:
    """Media sockets are at /media/<carrier>/<attempt id>/<token>, and nothing else is a websocket."""

    async def handshake(path: str, headers: Mapping[str, str]) -> Start | None:
        parts = path.removeprefix(MEDIA_PATH).split("/")
        if not path.startswith(MEDIA_PATH) or len(parts) != 3:
            return None
        carrier, attempt_id, token = parts
        name = carrier_named(carrier)
        if name is None:
            return None
        return await live.open(
            carrier=name,
            attempt_id=attempt_id,
            token=token,
            url=settings.stream_base_url + path,
            headers=headers,
        )

    return handshake
