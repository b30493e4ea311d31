"""One Outdial process, put together: settings → database → what all roles share → the parts of its roles."""

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.accounts.clients import Accounts
from outdial.accounts.genuine import Genuine
from outdial.agents.previews import Previews
from outdial.agents.ready_agents import ReadyAgents
from outdial.api.app import create_api, create_health
from outdial.api.callbacks import callbacks_router
from outdial.api.media_socket import Handshake, Start
from outdial.api.server import HttpServer, listen
from outdial.api.services import Services
from outdial.callbacks.inbox import Inbox
from outdial.callbacks.incoming import IncomingCalls
from outdial.calls.ownership import Lease
from outdial.calls.workers import Worker
from outdial.carriers.registry import carrier_named
from outdial.conversation.call_facts import Engines
from outdial.dashboard.app import add_dashboard
from outdial.db.embedded import embedded
from outdial.db.engine import create_engine
from outdial.db.migrate import upgrade
from outdial.db.notify import Notifications
from outdial.db.wake import Wake
from outdial.dispatch.dispatcher import Dispatcher
from outdial.dispatch.sweep import Sweep
from outdial.live.conversations import Conversations
from outdial.live.handshake import MediaHandshake
from outdial.live.leases import keep_leases
from outdial.live.news import News
from outdial.live.recordings import keep_finishing
from outdial.media.pacer import Pacer
from outdial.media.voice_activity import VoiceActivity
from outdial.members.first_start import first_link
from outdial.settings import Settings
from outdial.speech.base import SpeechToText, TextToSpeech
from outdial.speech.offline import OfflineSpeechToText, OfflineTextToSpeech
from outdial.speech.prompts import PromptCache
from outdial.workspaces.secrets import SecretBox

logger = logging.getLogger(__name__)

MEDIA_PATH = "/media/"


class Role(StrEnum):
    """What a process does; by default everything."""

    API = "api"            # carriers' callbacks, calls that come in, the dashboard (the API itself is every process's)
    DISPATCH = "dispatch"  # dials, and looks after calls nobody else looks after
    MEDIA = "media"        # conversations


ROLES = frozenset(Role)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Something a process runs. `run` goes on until it is cancelled; `stop` ends in order what it has begun."""

    name: str
    run: Callable[[], Coroutine[Any, Any, None]] | None = None
    stop: Callable[[], Awaitable[None]] | None = None


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
class Shared:
    """What the parts of a process have in common."""

    settings: Settings
    engine: AsyncEngine
    notifications: Notifications
    worker: Worker
    secret_box: SecretBox
    accounts: Accounts
    genuine: Genuine
    agents: ReadyAgents
    speech: Speech
    taken_over: Wake  # calls of a dead process have become ours: it has left recordings

    @property
    def services(self) -> Services:
        return Services(
            engine=self.engine,
            settings=self.settings,
            notifications=self.notifications,
            secret_box=self.secret_box,
            recordings_dir=self.settings.data_dir / "recordings",
            previews=Previews(self.speech.from_text),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A process that serves. `base_url` is what carriers and users are told."""

    base_url: str
    services: Services


@asynccontextmanager
async def running(
    settings: Settings,
    *,
    roles: Collection[Role] = ROLES,
    speech: Speech | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> AsyncIterator[Running]:
    """Everything up inside the `async with`. Ends in order: live calls are hung up, their transcripts and recordings
    saved, replies to dials awaited.

    `progress` is told each step that can take a while. Raises CannotListen when the address isn't to be had.
    """
    listener = listen(settings)
    if settings.port == 0:
        settings = settings.model_copy(update={"port": listener.getsockname()[1]})
    async with AsyncExitStack() as stack:
        stack.callback(listener.close)
        shared = await _share(settings, stack, speech, progress)
        services = shared.services
        parts, server = _parts(shared, services, listener, roles)
        # One task group: a part that breaks takes the process down whole, instead of leaving it half alive.
        async with asyncio.TaskGroup() as group:
            tasks = {part.name: group.create_task(part.run(), name=part.name) for part in parts if part.run}
            await server.up.wait()
            try:
                yield Running(base_url=settings.base_url, services=services)
            finally:
                await stop_in_order(parts, tasks)


async def stop_in_order(parts: Sequence[Part], tasks: Mapping[str, asyncio.Task[None]]) -> None:
    """Stop each part and cancel its task (by name), whatever one of them has against it."""
    for part in parts:
        try:
            if part.stop is not None:
                await part.stop()
        except Exception:
            logger.exception("Part not stopped in order", extra={"part": part.name})
        if part.name in tasks:
            tasks[part.name].cancel()


async def _share(
    settings: Settings, stack: AsyncExitStack, speech: Speech | None, progress: Callable[[str], None]
) -> Shared:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
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
    accounts = Accounts(engine, secret_box)
    stack.push_async_callback(accounts.aclose)
    return Shared(
        settings=settings,
        engine=engine,
        notifications=notifications,
        worker=worker,
        secret_box=secret_box,
        accounts=accounts,
        genuine=Genuine(engine, secret_box),
        agents=ReadyAgents(engine),
        speech=speech,
        taken_over=Wake(),
    )


# -- the parts, by role ----------------------------------------------------------------------------------------


def _parts(
    shared: Shared, services: Services, listener: socket.socket, roles: Collection[Role]
) -> tuple[list[Part], HttpServer]:
    """The parts of a process in the order in which they end, and its HTTP server."""
    dispatch = _dispatch(shared) if Role.DISPATCH in roles else []
    media, streams, handshake = _media(shared) if Role.MEDIA in roles else ([], [], _no_media)
    serves_api = Role.API in roles
    api = create_api(services) if serves_api else create_health(services)
    pages, callbacks = _api(shared, services, api) if serves_api else ([], [])
    server = HttpServer(api, handshake, shared.settings)
    http = Part(name="http server", run=lambda: server.serve([listener]), stop=server.stop)
    worker = Part(name="worker lock", run=shared.worker.watch)
    return [*dispatch, *media, *pages, http, *streams, *callbacks, worker], server


def _dispatch(shared: Shared) -> list[Part]:
    engine, settings, notifications = shared.engine, shared.settings, shared.notifications
    owner, open_carrier = shared.worker.id, shared.accounts.carrier
    dispatcher = Dispatcher(engine, settings, notifications, open_carrier, shared.agents, owner=owner)
    sweep = Sweep(engine, settings, notifications, open_carrier, owner=owner, taken_over=shared.taken_over.tell)
    return [Part(name="dispatcher", run=dispatcher.run), Part(name="sweep", run=sweep.run)]


def _media(shared: Shared) -> tuple[list[Part], list[Part], Handshake]:
    """What ends before the HTTP server, and what after it."""
    engine, settings = shared.engine, shared.settings
    engines = Engines(
        speech_to_text=shared.speech.to_text,
        text_to_speech=shared.speech.from_text,
        voice_activity=VoiceActivity(),
    )
    lease = Lease(owner=shared.worker.id, lease_s=settings.lease_s, silent_after_s=settings.silent_after_s)
    conversations = Conversations(engine, settings, shared.accounts.carrier, engines, Pacer())
    news = News(engine, shared.notifications, conversations)
    handshake = MediaHandshake(engine, shared.genuine, shared.agents, conversations, lease)
    parts = [
        Part(name="new conversations", stop=handshake.turn_away),
        Part(name="conversations", stop=conversations.aclose),
        Part(name="news of live calls", run=news.run, stop=news.aclose),
        Part(name="leases", run=lambda: keep_leases(engine, conversations, lease)),
        Part(name="recordings", run=lambda: keep_finishing(engine, settings.data_dir, shared.taken_over)),
        Part(name="voice activity", run=engines.voice_activity.run),
    ]
    streams = [Part(name="media handshake", stop=handshake.aclose)]  # one may open until the server is down
    return parts, streams, _by_path(handshake, settings)


def _api(shared: Shared, services: Services, api: FastAPI) -> tuple[list[Part], list[Part]]:
    """What ends before the HTTP server, and what after it."""
    engine, settings, open_carrier = shared.engine, shared.settings, shared.accounts.carrier
    inbox = Inbox(engine, settings, shared.genuine, open_carrier)
    incoming_calls = IncomingCalls(
        engine, settings, shared.secret_box, shared.genuine, open_carrier, inbox, shared.agents, owner=shared.worker.id
    )
    api.include_router(callbacks_router(inbox, incoming_calls, settings.base_url))
    live_pages = add_dashboard(api, services)
    pages = [
        Part(name="live pages", stop=live_pages.aclose),
        Part(name="event streams", stop=api.state.event_streams.aclose),
    ]
    callbacks = [
        Part(name="incoming calls", stop=incoming_calls.aclose),
        Part(name="callbacks", run=inbox.run),
    ]
    return pages, callbacks


def _by_path(handshake: MediaHandshake, settings: Settings) -> Handshake:
    """Media sockets are at /media/<carrier>/<attempt id>/<token>, and nothing else is a websocket."""

    async def open_(path: str, headers: Mapping[str, str]) -> Start | None:
        parts = path.removeprefix(MEDIA_PATH).split("/")
        if not path.startswith(MEDIA_PATH) or len(parts) != 3:
            return None
        carrier, attempt_id, token = parts
        name = carrier_named(carrier)
        if name is None:
            return None
        return await handshake.open(
            carrier=name,
            attempt_id=attempt_id,
            token=token,
            url=settings.stream_base_url + path,
            headers=headers,
        )

    return open_


async def _no_media(path: str, headers: Mapping[str, str]) -> Start | None:
    return None


# -- a process from its start to a signal ----------------------------------------------------------------------


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
    gc.set_threshold(10_000, 20, 20)  # the default of 700 new objects is reached several times a request
