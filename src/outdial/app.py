"""One Outdial process, put together: settings → database → what all roles share → the parts of its roles."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.accounts.clients import Accounts
from outdial.accounts.genuine import Genuine
from outdial.accounts.secret_key import check_secret_key
from outdial.agents.previews import Previews
from outdial.agents.ready_agents import ReadyAgents
from outdial.api.app import create_api, create_health
from outdial.api.callbacks import callbacks_router
from outdial.api.media_socket import Handshake, Start
from outdial.api.server import HttpServer, listen
from outdial.api.services import Services
from outdial.callbacks.inbox import Inbox
from outdial.callbacks.incoming import IncomingCalls
from outdial.calls.inbound import Reception
from outdial.calls.ownership import Lease, not_answered
from outdial.calls.workers import Worker
from outdial.conversation.call_facts import Engines
from outdial.dashboard.app import add_dashboard
from outdial.db.embedded import embedded
from outdial.db.engine import create_engine
from outdial.db.migrate import upgrade
from outdial.db.notify import Notifications
from outdial.db.wake import Wake
from outdial.dispatch.dispatcher import Dispatcher
from outdial.dispatch.sweep import Sweep
from outdial.draining import Drain
from outdial.jobs.runner import JobRunner
from outdial.live.conversations import Conversations
from outdial.live.handshake import MediaHandshake
from outdial.live.leases import keep_leases
from outdial.live.left_behind import deliver_left, keep_taking_in
from outdial.live.news import News
from outdial.live.spool import Spool
from outdial.live.stream_paths import by_path
from outdial.media.pacer import Pacer
from outdial.media.voice_activity import VoiceActivity
from outdial.retention.run import retention_job
from outdial.settings import Settings
from outdial.speech.engines import Speech
from outdial.workspaces.secrets import SecretBox

logger = logging.getLogger(__name__)

PATIENCE_S = 1.0   # with the database, when calls are counted
DELIVER_S = 10.0   # of what a dead process has left, before anything else is done
DRAINING = "This process drains: it is to stop, and takes no new calls."


class Role(StrEnum):
    """What a process does; by default everything."""

    API = "api"            # carriers' callbacks, calls that come in, the dashboard (the API itself is every process's)
    DISPATCH = "dispatch"  # dials, and looks after calls nobody else looks after
    MEDIA = "media"        # conversations
    JOBS = "jobs"          # background work that may run twice


ROLES = frozenset(Role)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Something a process runs. `run` goes on until it is cancelled; `stop` ends in order what it has begun."""

    name: str
    run: Callable[[], Coroutine[Any, Any, None]] | None = None
    stop: Callable[[], Awaitable[None]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What the parts of a process have in common."""

    settings: Settings
    database_url: str = field(repr=False)
    engine: AsyncEngine
    notifications: Notifications
    worker: Worker
    secret_box: SecretBox
    accounts: Accounts
    genuine: Genuine
    agents: ReadyAgents
    speech: Speech
    taken_over: Wake  # calls of a dead process have become ours: it has left recordings
    drain: Drain

    @property
    def services(self) -> Services:
        return Services(
            engine=self.engine,
            settings=self.settings,
            notifications=self.notifications,
            secret_box=self.secret_box,
            recordings_dir=self.settings.data_dir / "recordings",
            previews=Previews(self.speech.from_text),
            not_ready=lambda: DRAINING if self.drain.has_begun else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A process that serves. `base_url` is what carriers and users are told."""

    base_url: str
    services: Services
    drain: Drain
    worker_id: str
    conversations: Conversations | None

    async def calls_left(self) -> int:
        """How many calls this process talks on, or has dialled or announced: those are counted if the database can."""
        talking = 0 if self.conversations is None else self.conversations.talking
        counting = asyncio.create_task(not_answered(self.services.engine, self.worker_id))
        await asyncio.wait({counting}, timeout=PATIENCE_S)
        counted = counting.done() and counting.exception() is None
        counting.cancel()
        return talking + (counting.result() if counted else 0)

    async def prepare_goodbye(self) -> None:
        if self.conversations is not None:
            await self.conversations.prepare_goodbye()


@asynccontextmanager
async def running(
    settings: Settings,
    *,
    roles: Collection[Role] = ROLES,
    speech: Speech | None = None,
    drain: Drain | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> AsyncIterator[Running]:
    """Everything up inside the `async with`. Ends in order: live calls are cut off with a goodbye (who wants them to go
    on waits for that before: `serving.drained`), their transcripts and recordings saved, replies to dials awaited.

    `progress` is told each step that can take a while. Raises CannotListen when the address isn't to be had.
    """
    listener = listen(settings)
    if settings.port == 0:
        settings = settings.model_copy(update={"port": listener.getsockname()[1]})
    async with AsyncExitStack() as stack:
        stack.callback(listener.close)
        shared = await _share(settings, stack, speech, drain or Drain(), progress)
        services = shared.services
        if Role.MEDIA in roles:
            await _deliver_left(shared)
        parts, server, conversations = _parts(shared, services, listener, roles)
        # One task group: a part that breaks takes the process down whole, instead of leaving it half alive.
        async with asyncio.TaskGroup() as group:
            tasks = {part.name: group.create_task(part.run(), name=part.name) for part in parts if part.run}
            await server.up.wait()
            try:
                yield Running(
                    base_url=settings.base_url,
                    services=services,
                    drain=shared.drain,
                    worker_id=shared.worker.id,
                    conversations=conversations,
                )
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
    settings: Settings,
    stack: AsyncExitStack,
    speech: Speech | None,
    drain: Drain,
    progress: Callable[[str], None],
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
    await check_secret_key(engine, secret_box)
    notifications = await stack.enter_async_context(Notifications(url))
    worker = await stack.enter_async_context(Worker(engine, url))
    progress("Loading the speech models")
    speech = speech or await Speech.offline(settings.data_dir / "prompts")
    accounts = Accounts(engine, secret_box)
    stack.push_async_callback(accounts.aclose)
    genuine = Genuine(engine, secret_box)
    stack.push_async_callback(genuine.aclose)
    return Shared(
        settings=settings,
        database_url=url,
        engine=engine,
        notifications=notifications,
        worker=worker,
        secret_box=secret_box,
        accounts=accounts,
        genuine=genuine,
        agents=ReadyAgents(engine),
        speech=speech,
        taken_over=Wake(),
        drain=drain,
    )


async def _deliver_left(shared: Shared) -> None:
    """What a dead process has kept, before anybody takes its calls for lost. What can't be delivered now is later."""
    try:
        async with asyncio.timeout(DELIVER_S):
            await deliver_left(shared.engine, shared.settings.data_dir)
    except Exception:
        logger.exception("Results of dead processes not delivered; trying again")


# -- the parts, by role ----------------------------------------------------------------------------------------


def _parts(
    shared: Shared, services: Services, listener: socket.socket, roles: Collection[Role]
) -> tuple[list[Part], HttpServer, Conversations | None]:
    """The parts of a process in the order in which they end, its HTTP server, and its conversations."""
    jobs = [_jobs(shared)] if Role.JOBS in roles else []
    dispatch = _dispatch(shared) if Role.DISPATCH in roles else []
    media = _media(shared) if Role.MEDIA in roles else Media(parts=[], streams=[], handshake=_no_media)
    serves_api = Role.API in roles
    api = create_api(services) if serves_api else create_health(services)
    pages, callbacks = _api(shared, services, api) if serves_api else ([], [])
    server = HttpServer(api, media.handshake, shared.settings)
    http = Part(name="http server", run=lambda: server.serve([listener]), stop=server.stop)
    worker = Part(name="worker lock", run=shared.worker.watch)
    parts = [*jobs, *dispatch, *media.parts, *pages, http, *media.streams, *callbacks, worker]
    return parts, server, media.conversations


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """What ends before the HTTP server, and what after it; how media sockets are opened."""

    parts: list[Part]
    streams: list[Part]
    handshake: Handshake
    conversations: Conversations | None = None


def _jobs(shared: Shared) -> Part:
    jobs = [retention_job(shared.engine, shared.settings)]
    runner = JobRunner(shared.engine, shared.database_url, jobs, drain=shared.drain)
    return Part(name="jobs", run=runner.run, stop=runner.aclose)


def _dispatch(shared: Shared) -> list[Part]:
    engine, settings, notifications = shared.engine, shared.settings, shared.notifications
    owner, open_carrier = shared.worker.id, shared.accounts.carrier
    dispatcher = Dispatcher(
        engine, settings, notifications, open_carrier, shared.agents, owner=owner, drain=shared.drain
    )
    sweep = Sweep(engine, settings, notifications, open_carrier, owner=owner, taken_over=shared.taken_over.tell)
    return [Part(name="dispatcher", run=dispatcher.run), Part(name="sweep", run=sweep.run)]


def _media(shared: Shared) -> Media:
    engine, settings = shared.engine, shared.settings
    engines = Engines(
        speech_to_text=shared.speech.to_text,
        text_to_speech=shared.speech.from_text,
        voice_activity=VoiceActivity(),
    )
    lease = Lease(owner=shared.worker.id, lease_s=settings.lease_s, silent_after_s=settings.silent_after_s)
    spool = Spool(settings.data_dir, shared.worker.id)
    conversations = Conversations(engine, settings, shared.accounts.carrier, engines, Pacer(), spool)
    news = News(engine, shared.notifications, conversations)
    handshake = MediaHandshake(engine, shared.genuine, shared.agents, conversations, lease)
    parts = [
        Part(name="new conversations", stop=handshake.turn_away),
        Part(name="conversations", stop=lambda: conversations.aclose(hurry=shared.drain.hurried)),
        Part(name="news of live calls", run=news.run, stop=news.aclose),
        Part(name="leases", run=lambda: keep_leases(engine, conversations, lease)),
        Part(name="left behind", run=lambda: keep_taking_in(engine, settings.data_dir, shared.taken_over)),
        Part(name="voice activity", run=engines.voice_activity.run),
        Part(name="spool", stop=spool.aclose),
    ]
    streams = [Part(name="media handshake", stop=handshake.aclose)]  # one may open until the server is down
    open_socket = by_path(handshake, settings)
    return Media(parts=parts, streams=streams, handshake=open_socket, conversations=conversations)


def _api(shared: Shared, services: Services, api: FastAPI) -> tuple[list[Part], list[Part]]:
    """What ends before the HTTP server, and what after it."""
    engine, settings, open_carrier = shared.engine, shared.settings, shared.accounts.carrier
    inbox = Inbox(engine, settings, shared.genuine, open_carrier)
    reception = Reception(
        engine=engine,
        settings=settings,
        secret_box=shared.secret_box,
        owner=shared.worker.id,
        drain=shared.drain,
    )
    incoming_calls = IncomingCalls(reception, shared.genuine, open_carrier, inbox, shared.agents)
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


async def _no_media(path: str, headers: Mapping[str, str]) -> Start | None:
    return None
