"""What the parts of a process have in common, opened once."""

from collections.abc import Callable, Collection
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.accounts.clients import Accounts
from outdial.accounts.genuine import Genuine
from outdial.accounts.secret_key import check_secret_key
from outdial.agents.llm.vendors import ModelServers
from outdial.agents.own_speech import SpeechVendors
from outdial.agents.previews import Previews
from outdial.agents.python.served import ServedAgents
from outdial.agents.ready_agents import ReadyAgents
from outdial.agents.tools.access import ToolAccess, kept_secrets
from outdial.api.services import Services
from outdial.calls.workers import Worker
from outdial.db.engine import create_engine, is_pooled, put_away
from outdial.db.migrate import upgrade_at
from outdial.db.notify import Notifications
from outdial.db.pooler import check_urls, limit_sessions
from outdial.db.replica import Replica
from outdial.db.supervised import Embedded, embedded
from outdial.db.trouble import outlast
from outdial.db.wake import Wake
from outdial.draining import Drain
from outdial.recordings.recordings import Recordings
from outdial.rehearsals.stage import Stage
from outdial.roles import Role
from outdial.self_test.answering import SelfTests
from outdial.settings import Settings
from outdial.speech.engines import Speech
from outdial.webhooks.attempt import WebhookClient
from outdial.workspaces.secrets import SecretBox

SPEAKING = frozenset({Role.MEDIA, Role.API})  # on calls, and previews for those who write what is said
DRAINING = "This process drains: it is to stop, or to be emptied, and takes no new calls."
AWAY = "The database is away: no new calls until it is back and this process has its lock again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What the parts of a process have in common."""

    settings: Settings
    session_url: str = field(repr=False)  # of the database itself, for what needs a session
    engine: AsyncEngine
    notifications: Notifications
    worker: Worker
    secret_box: SecretBox
    accounts: Accounts
    genuine: Genuine
    models: ModelServers
    agents: ReadyAgents
    tools: ToolAccess
    speech: Speech | None  # None in a process that speaks to nobody
    webhooks: WebhookClient
    taken_over: Wake  # calls of a dead process have become ours: it has left recordings
    drain: Drain
    embedded: Embedded | None
    recordings: Recordings
    self_tests: SelfTests
    replica: Replica | None

    @property
    def services(self) -> Services:
        return Services(
            engine=self.engine,
            settings=self.settings,
            notifications=self.notifications,
            secret_box=self.secret_box,
            recordings=self.recordings,
            replica=self.replica,
            previews=None if self.speech is None else Previews(self.speech.from_text),
            webhooks=self.webhooks,
            tools=self.tools,
            stage=Stage(
                servers=self.models, meter=self.agents.meter, simulator_url=self.settings.simulator_url
            ),
            not_ready=self._not_ready,
        )

    def _not_ready(self) -> str | None:
        if self.drain.has_begun:
            return DRAINING
        return None if self.worker.holds_lock else AWAY


async def _open_database(
    settings: Settings, stack: AsyncExitStack, progress: Callable[[str], None]
) -> tuple[AsyncEngine, str, Embedded | None]:
    """Its engine, up to date; the URL of those who need a session; the embedded server, where it is that."""
    if settings.database_url is not None:
        url, database = settings.database_url.get_secret_value(), None
        direct = settings.direct_database_url
        session_url = url if direct is None else direct.get_secret_value()
        await outlast(lambda: check_urls(settings), progress)
    else:
        progress("Starting the embedded PostgreSQL")
        database = await stack.enter_async_context(embedded(settings.data_dir))
        url = session_url = database.url
    engine = create_engine(url, pooled=url != session_url)
    stack.push_async_callback(put_away, engine)
    progress("Bringing the database up to date")
    await outlast(lambda: upgrade_at(session_url), progress)
    if is_pooled(engine):
        await outlast(lambda: limit_sessions(url), progress)
    return engine, session_url, database


def _replica(settings: Settings, engine: AsyncEngine) -> Replica | None:
    url = settings.replica_database_url
    return None if url is None else Replica(url.get_secret_value(), engine, max_lag_s=settings.replica_max_lag_s)


async def share(
    settings: Settings,
    roles: Collection[Role],
    stack: AsyncExitStack,
    speech: Speech | None,
    drain: Drain,
    progress: Callable[[str], None],
) -> Shared:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    engine, session_url, database = await _open_database(settings, stack, progress)
    replica = _replica(settings, engine) if Role.API in roles else None
    if replica is not None:
        stack.push_async_callback(replica.aclose)
    secret_box = SecretBox.shared(settings)
    await outlast(lambda: check_secret_key(engine, secret_box), progress)
    notifications = await stack.enter_async_context(Notifications(session_url))
    worker = await outlast(lambda: stack.enter_async_context(Worker(engine, session_url)), progress)
    if speech is None and not SPEAKING.isdisjoint(roles):
        progress("Loading the speech models")
        speech = await Speech.offline(settings.data_dir / "prompts")
    accounts = Accounts(engine, secret_box)
    stack.push_async_callback(accounts.aclose)
    genuine = Genuine(engine, secret_box)
    stack.push_async_callback(genuine.aclose)
    webhooks, models = WebhookClient(settings.allowed_private), ModelServers(settings.model_keys)
    tools = ToolAccess(settings.allowed_private, kept_secrets(engine, secret_box))
    for client in (webhooks, tools):
        stack.push_async_callback(client.aclose)
    served = await ServedAgents.begin(engine, settings.agents, reload=settings.reload_agents, progress=progress)
    speech_vendors = SpeechVendors(settings.speech_servers, kept_secrets(engine, secret_box))
    agents = ReadyAgents(engine, models, served, tools, speech_vendors)
    stack.push_async_callback(agents.aclose)
    return Shared(
        settings=settings,
        session_url=session_url,
        engine=engine,
        notifications=notifications,
        worker=worker,
        secret_box=secret_box,
        accounts=accounts,
        genuine=genuine,
        models=models,
        agents=agents,
        tools=tools,
        speech=speech,
        webhooks=webhooks,
        taken_over=Wake(),
        drain=drain,
        embedded=database,
        recordings=Recordings(settings.data_dir, settings.store_url),
        self_tests=SelfTests(engine, settings, worker.id),
        replica=replica,
    )
