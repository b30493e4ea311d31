"""What a process does in each of its roles, as parts: what others ask of them is with them."""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial

from fastapi import FastAPI

from outdial import metrics, open_files
from outdial.alerts.watching import Watching, postbox
from outdial.api.app import add_routes
from outdial.api.callbacks import callbacks_router
from outdial.api.media_socket import Handshake, Start
from outdial.api.server import HttpServer
from outdial.api.services import Services
from outdial.callbacks.inbox import Inbox
from outdial.callbacks.incoming import IncomingCalls
from outdial.calls.heartbeat import Heartbeat, Station
from outdial.calls.inbound import Reception
from outdial.calls.ownership import Lease
from outdial.conversation.call_facts import Engines
from outdial.dashboard.app import add_dashboard
from outdial.db.wake import Wake
from outdial.dispatch.dispatcher import Dispatcher
from outdial.dispatch.sweep import Sweep
from outdial.history.call_story import read_story
from outdial.jobs.runner import JobRunner
from outdial.live.consultations import Consultations
from outdial.live.conversations import FINISH_S, Conversations
from outdial.live.emptying import empty_when_asked
from outdial.live.handshake import MediaHandshake
from outdial.live.leases import keep_leases
from outdial.live.left_behind import keep_taking_in
from outdial.live.listening_in.joining import ListeningIn
from outdial.live.news import News
from outdial.live.spool import Spool
from outdial.live.storing import keep_storing
from outdial.live.stream_paths import by_path
from outdial.media.pacer import Pacer
from outdial.media.voice_activity import VoiceActivity
from outdial.parts import Part
from outdial.retention.erase_call import forget_late_job
from outdial.retention.erase_number import erase_number_jobs
from outdial.retention.run import retention_job
from outdial.roles import Role
from outdial.shared import Shared
from outdial.speech.offline import recognition_queue
from outdial.tracing.exporter import open_exporter, wanted
from outdial.tracing.sending import Sending
from outdial.version import __version__
from outdial.webhooks.telling import Telling
from outdial.wrap_up.job import WrapUps

logger = logging.getLogger(__name__)

FINISH_FAILED_S = 2.0  # for conversations of a process that can't go on


def heartbeat_of(
    shared: Shared, roles: Collection[Role], server: HttpServer, conversations: Conversations | None
) -> Heartbeat:
    """Its first beat comes when the server is up: then seats are given."""
    settings = shared.settings
    station = Station(
        roles=roles,
        stream_url=settings.stream_base_url,
        internal_url=settings.internal_url,
        seats=settings.seats if conversations is not None else 0,
        lease_s=settings.lease_s,
        secret_keys=shared.secret_box.key_ids,
        open_files=open_files.limit(),
    )
    live = (lambda: 0) if conversations is None else (lambda: conversations.talking)
    heartbeat = Heartbeat(shared.engine, shared.worker.id, station, shared.drain, live, after=server.up)
    shared.worker.when_regained(heartbeat.tell)
    return heartbeat


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """What ends before the HTTP server, and what after it; how media sockets are opened."""

    parts: list[Part]
    streams: list[Part]
    handshake: Handshake
    conversations: Conversations | None = None


def jobs_parts(shared: Shared) -> list[Part]:
    part = partial(Part, role=Role.JOBS)
    engine, settings = shared.engine, shared.settings
    webhooks, secret_box, owner = shared.webhooks, shared.secret_box, shared.worker.id
    telling = Telling(engine, shared.notifications, secret_box, webhooks, owner=owner, base_url=settings.base_url)
    wrap_ups = WrapUps(engine, shared.models, shared.agents.meter)
    erasing = [forget_late_job(engine), *erase_number_jobs(engine, lambda: secret_box)]
    jobs = [retention_job(engine, settings), *erasing, *telling.jobs, *wrap_ups.jobs]
    watching = Watching(engine, shared.notifications, postbox(settings), base_url=settings.base_url)
    runner = JobRunner(engine, shared.session_url, jobs, drain=shared.drain)
    return [
        part(name="jobs", run=runner.run, stop=runner.aclose),
        part(name="webhooks", run=telling.run, stop=telling.aclose),
        part(name="alerts", run=watching.run),
    ]


def tracing_parts(shared: Shared) -> list[Part]:
    """It ends after everything that has something to tell."""
    asked = wanted()
    if asked.fault is not None:
        logger.warning("Tracing off", extra={"reason": asked.fault})
    if asked.endpoint is None or asked.fault is not None:
        return []
    logger.info("Tracing on", extra={"collector": asked.host})
    sending = Sending(open_exporter(version=__version__), partial(read_story, shared.engine))
    return [Part(name="traces", run=sending.run, stop=sending.aclose)]


def dispatch_parts(shared: Shared) -> list[Part]:
    part = partial(Part, role=Role.DISPATCH)
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
    return [
        part(name="dispatcher", run=dispatcher.run),
        part(name="sweep", run=sweep.run),
    ]


def media_parts(shared: Shared) -> Media:
    part = partial(Part, role=Role.MEDIA)
    engine, settings, speech = shared.engine, shared.settings, shared.speech
    assert speech is not None
    engines = Engines(
        speech_to_text=speech.to_text,
        text_to_speech=speech.from_text,
        voice_activity=VoiceActivity(metrics.VOICE_LAG.observe),
        closed=speech.closed,
        sounds=shared.tools.sounds,
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

    async def empty() -> None:
        await empty_when_asked(drain, conversations, drain_s=settings.drain_s)

    async def store() -> None:
        await keep_storing(engine, recordings)

    async def take_in() -> None:
        await keep_taking_in(engine, settings.data_dir, shared.taken_over)

    storing = [part(name="storing", run=store)] if recordings.in_store else []
    parts = [
        part(name="new conversations", stop=handshake.turn_away),
        part(name="conversations", stop=end_conversations),
        part(name="second legs", stop=consultations.aclose),
        part(name="news of live calls", run=news.run, stop=news.aclose),
        part(name="drain on request", run=empty),
        part(name="leases", run=lambda: keep_leases(engine, conversations, lease, renew)),
        part(name="left behind", run=take_in),
        *storing,
        part(name="voice activity", run=engines.voice_activity.run),
        part(name="spool", stop=spool.aclose),
    ]
    # One may open until the server is down.
    streams = [part(name="media handshake", stop=handshake.aclose)]
    open_socket = by_path(handshake, settings, shared.self_tests)
    return Media(parts=parts, streams=streams, handshake=open_socket, conversations=conversations)


def listening_part(shared: Shared, api: FastAPI, conversations: Conversations) -> Part:
    """Who listens to the calls that are held here."""
    api.state.listening_in = listening_in = ListeningIn(shared.engine, conversations)
    return Part(name="listening in", role=Role.MEDIA, stop=listening_in.aclose)


def api_parts(shared: Shared, services: Services, api: FastAPI) -> tuple[list[Part], list[Part]]:
    """What ends before the HTTP server, and what after it."""
    part = partial(Part, role=Role.API)
    engine, settings, open_carrier = shared.engine, shared.settings, shared.accounts.carrier
    inbox = Inbox(engine, settings, shared.genuine, open_carrier)
    reception = Reception(
        engine=engine,
        settings=settings,
        secret_box=shared.secret_box,
        drain=shared.drain,
    )
    incoming_calls = IncomingCalls(reception, shared.genuine, open_carrier, inbox, shared.agents)
    add_routes(api, callbacks_router(inbox, incoming_calls, settings.base_url), first=True)
    live_pages = add_dashboard(api, services)
    pages = [
        part(name="live pages", stop=live_pages.aclose),
        part(name="event streams", stop=api.state.event_streams.aclose),
        part(name="mcp sessions", stop=api.state.mcp.aclose),
    ]
    callbacks = [
        part(name="incoming calls", stop=incoming_calls.aclose),
        part(name="callbacks", run=inbox.run),
    ]
    return pages, callbacks


async def no_media(path: str, headers: Mapping[str, str]) -> Start | None:
    return None
