"""One Outdial process, put together: settings → database → what all roles share → the parts of its roles."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from fastapi import FastAPI

from outdial import metrics
from outdial.alerts.watching import Watching, postbox
from outdial.api.app import add_routes, create_api, create_health
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
from outdial.db.wake import Wake
from outdial.dispatch.dispatcher import Dispatcher
from outdial.dispatch.sweep import Sweep
from outdial.draining import Drain
from outdial.history.call_story import read_story
from outdial.jobs.runner import JobRunner
from outdial.lag import watch_lag
from outdial.live.consultations import Consultations
from outdial.live.conversations import FINISH_S, Conversations
from outdial.live.handshake import MediaHandshake
from outdial.live.leases import keep_leases
from outdial.live.left_behind import deliver_at_start, keep_taking_in
from outdial.live.listening_in.joining import ListeningIn
from outdial.live.news import News
from outdial.live.spool import Spool
from outdial.live.storing import keep_storing
from outdial.live.stream_paths import by_path
from outdial.media.pacer import Pacer
from outdial.media.voice_activity import VoiceActivity
from outdial.parts import Part, run_part, stop_in_order
from outdial.retention.erase_call import forget_late_job
from outdial.retention.erase_number import erase_number_jobs
from outdial.retention.run import retention_job
from outdial.roles import ROLES, Role
from outdial.settings import Settings
from outdial.shared import Shared, share
from outdial.speech.engines import Speech
from outdial.speech.offline import recognition_queue
from outdial.tracing.exporter import open_exporter, wanted
from outdial.tracing.sending import Sending
from outdial.version import __version__
from outdial.webhooks.telling import Telling
from outdial.wrap_up.job import WrapUps

logger = logging.getLogger(__name__)

PATIENCE_S = 1.0   # with the database, when calls are counted
FINISH_FAILED_S = 2.0  # for conversations of a process that can't go on


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A process that serves. `base_url` is what carriers and users are told."""

    base_url: str
    services: Services
    drain: Drain
    worker: Worker
    conversations: Conversations | None

    @property
    def worker_id(self) -> str:
        return self.worker.id

    async def calls_left(self) -> int:
        """How many calls this process talks on, or has dialled or announced: those are counted if the database can."""
        talking = 0 if self.conversations is None else self.conversations.talking
        if not self.worker.holds_lock:
            return talking
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
    failed: Callable[[], None] = lambda: None,
) -> AsyncIterator[Running]:
    """Everything up inside the `async with`. Ends in order: live calls are cut off with a goodbye (who wants them to go
    on waits for that before: `serving.drained`), their transcripts and recordings saved, replies to dials awaited.

    `progress` is told each step that can take a while; `failed` is called when a part of it fails, which ends
    everything, in a hurry. Raises CannotListen when the address isn't to be had.
    """
    listener = listen(settings)
    if settings.port == 0:
        settings = settings.model_copy(update={"port": listener.getsockname()[1]})
    async with AsyncExitStack() as stack:
        stack.callback(listener.close)
        shared = await share(settings, stack, speech, drain or Drain(), progress)
        services = shared.services
        if Role.MEDIA in roles:
            await deliver_at_start(shared.engine, settings.data_dir)
        parts, server, conversations = _parts(shared, services, listener, roles)
        # One task group: a part that breaks takes the process down whole, instead of leaving it half alive.
        async with asyncio.TaskGroup() as group:
            tasks = {
                part.name: group.create_task(run_part(part, shared.drain, failed), name=part.name)
                for part in parts
                if part.run is not None
            }
            await server.up.wait()
            try:
                yield Running(
                    base_url=settings.base_url,
                    services=services,
                    drain=shared.drain,
                    worker=shared.worker,
                    conversations=conversations,
                )
            finally:
                await stop_in_order(parts, tasks)


# -- the parts, by role ----------------------------------------------------------------------------------------


def _parts(
    shared: Shared, services: Services, listener: socket.socket, roles: Collection[Role]
) -> tuple[list[Part], HttpServer, Conversations | None]:
    """The parts of a process in the order in which they end, its HTTP server, and its conversations."""
    jobs = _jobs(shared) if Role.JOBS in roles else []
    dispatch = _dispatch(shared) if Role.DISPATCH in roles else []
    media = _media(shared) if Role.MEDIA in roles else Media(parts=[], streams=[], handshake=_no_media)
    serves_api = Role.API in roles
    api = create_api(services) if serves_api else create_health(services)
    pages, callbacks = _api(shared, services, api, media.conversations) if serves_api else ([], [])
    server = HttpServer(api, media.handshake, shared.settings)
    http = Part(name="http server", run=lambda: server.serve([listener]), stop=server.stop)
    worker = Part(name="worker lock", run=shared.worker.watch)
    database = [] if shared.embedded is None else [Part(name="embedded database", run=shared.embedded.watch)]
    lag = Part(name="lag of the event loop", run=lambda: watch_lag(metrics.LOOP_LATE.observe))
    agents = Part(name="python agents", run=shared.agents.watch)
    before, after = [lag, *jobs, *dispatch, *media.parts, *pages], [*media.streams, *callbacks, agents]
    parts = [*before, http, *after, *_tracing(shared), worker, *database]
    return parts, server, media.conversations


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """What ends before the HTTP server, and what after it; how media sockets are opened."""

    parts: list[Part]
    streams: list[Part]
    handshake: Handshake
    conversations: Conversations | None = None


def _jobs(shared: Shared) -> list[Part]:
    engine, settings = shared.engine, shared.settings
    webhooks, secret_box, owner = shared.webhooks, shared.secret_box, shared.worker.id
    telling = Telling(engine, shared.notifications, secret_box, webhooks, owner=owner, base_url=settings.base_url)
    wrap_ups = WrapUps(engine, shared.models, shared.agents.meter)
    erasing = [forget_late_job(engine), *erase_number_jobs(engine, lambda: secret_box)]
    jobs = [retention_job(engine, settings), *erasing, *telling.jobs, *wrap_ups.jobs]
    watching = Watching(engine, shared.notifications, postbox(settings), base_url=settings.base_url)
    runner = JobRunner(engine, shared.database_url, jobs, drain=shared.drain)
    return [
        Part(name="jobs", run=runner.run, stop=runner.aclose),
        Part(name="webhooks", run=telling.run, stop=telling.aclose),
        Part(name="alerts", run=watching.run),
    ]


def _tracing(shared: Shared) -> list[Part]:
    """It ends after everything that has something to tell."""
    asked = wanted()
    if asked.fault is not None:
        logger.warning("Tracing off", extra={"reason": asked.fault})
    if asked.endpoint is None or asked.fault is not None:
        return []
    logger.info("Tracing on", extra={"collector": asked.host})
    sending = Sending(open_exporter(version=__version__), partial(read_story, shared.engine))
    return [Part(name="traces", run=sending.run, stop=sending.aclose)]


def _dispatch(shared: Shared) -> list[Part]:
    engine, settings, notifications = shared.engine, shared.settings, shared.notifications
    owner, open_carrier = shared.worker.id, shared.accounts.carrier
    worker = shared.worker
    dispatcher = Dispatcher(
        engine, settings, notifications, open_carrier, shared.agents, owner=owner, lock=worker, drain=shared.drain
    )
    worker.when_regained(dispatcher.wake)
    sweep = Sweep(
        engine,
        settings,
        notifications,
        open_carrier,
        owner=owner,
        taken_over=shared.taken_over.tell,
        may_take_over=lambda: worker.is_steady_for(settings.lease_s / 2),
    )
    return [Part(name="dispatcher", run=dispatcher.run), Part(name="sweep", run=sweep.run)]


def _media(shared: Shared) -> Media:
    engine, settings = shared.engine, shared.settings
    engines = Engines(
        speech_to_text=shared.speech.to_text,
        text_to_speech=shared.speech.from_text,
        voice_activity=VoiceActivity(metrics.VOICE_LAG.observe),
        closed=shared.speech.closed,
    )
    lease = Lease(owner=shared.worker.id, lease_s=settings.lease_s, silent_after_s=settings.silent_after_s)
    spool = Spool(settings.data_dir, shared.worker.id)
    pacer = Pacer(metrics.PACER_LATE.observe)
    conversations = Conversations(engine, settings, shared.accounts.carrier, engines, pacer, spool)
    recognitions = recognition_queue()
    recognitions.waited = metrics.RECOGNITION_WAIT.observe
    metrics.RECOGNITIONS_WAITING.set_function(lambda: recognitions.waiting)
    metrics.TALKING.set_function(lambda: conversations.talking)
    news = News(engine, shared.notifications, conversations)
    consultations = Consultations(engine, settings, shared.accounts.carrier, engines, pacer)
    handshake = MediaHandshake(engine, shared.genuine, shared.agents, conversations, consultations, lease)
    renew = Wake()
    shared.worker.when_regained(renew.tell)
    drain, recordings = shared.drain, shared.recordings

    async def end_conversations() -> None:
        await conversations.aclose(FINISH_FAILED_S if drain.failed else FINISH_S, hurry=drain.hurried)

    parts = [
        Part(name="new conversations", stop=handshake.turn_away),
        Part(name="conversations", stop=end_conversations),
        Part(name="second legs", stop=consultations.aclose),
        Part(name="news of live calls", run=news.run, stop=news.aclose),
        Part(name="leases", run=lambda: keep_leases(engine, conversations, lease, renew)),
        Part(name="left behind", run=lambda: keep_taking_in(engine, settings.data_dir, shared.taken_over)),
        *([Part(name="storing", run=lambda: keep_storing(engine, recordings))] if recordings.in_store else []),
        Part(name="voice activity", run=engines.voice_activity.run),
        Part(name="spool", stop=spool.aclose),
    ]
    streams = [Part(name="media handshake", stop=handshake.aclose)]  # one may open until the server is down
    open_socket = by_path(handshake, settings)
    return Media(parts=parts, streams=streams, handshake=open_socket, conversations=conversations)


def _api(
    shared: Shared, services: Services, api: FastAPI, conversations: Conversations | None
) -> tuple[list[Part], list[Part]]:
    """What ends before the HTTP server, and what after it. `conversations`: those held here, if any are."""
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
    add_routes(api, callbacks_router(inbox, incoming_calls, settings.base_url))
    api.state.listening_in = listening_in = ListeningIn(engine, conversations)
    live_pages = add_dashboard(api, services)
    pages = [
        Part(name="live pages", stop=live_pages.aclose),
        Part(name="event streams", stop=api.state.event_streams.aclose),
        Part(name="mcp sessions", stop=api.state.mcp.aclose),
        Part(name="listening in", stop=listening_in.aclose),
    ]
    callbacks = [Part(name="incoming calls", stop=incoming_calls.aclose), Part(name="callbacks", run=inbox.run)]
    return pages, callbacks


async def _no_media(path: str, headers: Mapping[str, str]) -> Start | None:
    return None
