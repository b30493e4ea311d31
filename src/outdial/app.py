"""One Outdial process, put together: settings → database → what all roles share → the parts of its roles."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from outdial import metrics
from outdial.accounts.secret_key_rotation import follow_secret_key
from outdial.api.app import create_api, create_health
from outdial.api.self_test import answering_self_tests
from outdial.api.server import HttpServer, listen
from outdial.api.services import Services
from outdial.calls.heartbeat import Heartbeat
from outdial.calls.ownership import not_answered
from outdial.calls.workers import Worker
from outdial.draining import Drain
from outdial.lag import watch_lag
from outdial.live.conversations import Conversations
from outdial.live.left_behind import deliver_at_start
from outdial.parts import Part, run_part, stop_in_order
from outdial.role_parts import (
    Media,
    api_parts,
    dispatch_parts,
    heartbeat_of,
    jobs_parts,
    listening_part,
    media_parts,
    no_media,
    tracing_parts,
)
from outdial.roles import ROLES, Role
from outdial.settings import Settings
from outdial.shared import Shared, share
from outdial.speech.engines import Speech

PATIENCE_S = 1.0  # with the database, when calls are counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A process that serves. `base_url` is what carriers and users are told."""

    base_url: str
    services: Services
    drain: Drain
    worker: Worker
    heartbeat: Heartbeat
    conversations: Conversations | None
    parts: Sequence[Part]

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

    async def give_no_more_seats(self) -> None:
        """When this returns, no call is given a seat here that hasn't one."""
        await self.heartbeat.close()

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
    listeners: Sequence[socket.socket] = (),
) -> AsyncIterator[Running]:
    """Everything up inside the `async with`. Ends in order: live calls are cut off with a goodbye (who wants them to go
    on waits for that before: `serving.drained`), their transcripts and recordings saved, replies to dials awaited.

    `progress` is told each step that can take a while; `failed` is called when a part of it fails, which ends
    everything, in a hurry. `listeners` listen already, at the settings' port and elsewhere. Raises CannotListen when
    the address isn't to be had.
    """
    listeners = listeners or [listen(settings)]
    if settings.port == 0:
        settings = settings.model_copy(update={"port": listeners[0].getsockname()[1]})
    async with AsyncExitStack() as stack:
        for listener in listeners:
            stack.callback(listener.close)
        shared = await share(settings, roles, stack, speech, drain or Drain(), progress)
        services = shared.services
        if Role.MEDIA in roles:
            await deliver_at_start(shared.engine, settings.data_dir)
        put_together = _parts(shared, services, listeners, roles)
        parts = put_together.parts
        # One task group: a part that breaks takes the process down whole, instead of leaving it half alive.
        async with asyncio.TaskGroup() as group:
            tasks = {
                part.name: group.create_task(run_part(part, shared.drain, failed), name=part.name)
                for part in parts
                if part.run is not None
            }
            await put_together.server.up.wait()
            try:
                yield Running(
                    base_url=settings.base_url,
                    services=services,
                    drain=shared.drain,
                    worker=shared.worker,
                    heartbeat=put_together.heartbeat,
                    conversations=put_together.conversations,
                    parts=parts,
                )
            finally:
                await stop_in_order(parts, tasks)


# -- the parts, by role ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PutTogether:
    """The parts of a process in the order in which they end, and those of them that others ask."""

    parts: list[Part]
    server: HttpServer
    heartbeat: Heartbeat
    conversations: Conversations | None


def _parts(
    shared: Shared, services: Services, listeners: Sequence[socket.socket], roles: Collection[Role]
) -> PutTogether:
    jobs = jobs_parts(shared) if Role.JOBS in roles else []
    dispatch = dispatch_parts(shared) if Role.DISPATCH in roles else []
    media = media_parts(shared) if Role.MEDIA in roles else Media(parts=[], streams=[], handshake=no_media)
    serves_api = Role.API in roles
    api = create_api(services) if serves_api else create_health(services, holds_calls=Role.MEDIA in roles)
    listening = [listening_part(shared, api, media.conversations)] if media.conversations is not None else []
    pages, callbacks = api_parts(shared, services, api) if serves_api else ([], [])
    server = HttpServer(answering_self_tests(api, shared.self_tests), media.handshake, shared.settings)
    http = Part(name="http server", run=lambda: server.serve(list(listeners)), stop=server.stop)
    worker = Part(name="worker lock", run=shared.worker.watch)
    heartbeat = heartbeat_of(shared, roles, server, media.conversations)
    beat = Part(name="heartbeat", run=heartbeat.run)
    box = shared.secret_box
    follow = Part(name="secret key", run=lambda: follow_secret_key(shared.engine, box))
    keys = [follow] if len(box.key_ids) > 1 else []
    replica = [] if shared.replica is None else [Part(name="replica", run=shared.replica.watch)]
    database = [] if shared.embedded is None else [Part(name="embedded database", run=shared.embedded.watch)]
    lag = Part(name="lag of the event loop", run=lambda: watch_lag(metrics.LOOP_LATE.observe))
    agents = Part(name="python agents", run=shared.agents.watch)
    before, after = [lag, *jobs, *dispatch, *media.parts, *pages, *listening], [*media.streams, *callbacks, agents]
    parts = [*before, http, *after, *tracing_parts(shared), beat, *keys, *replica, worker, *database]
    return PutTogether(parts=parts, server=server, heartbeat=heartbeat, conversations=media.conversations)
