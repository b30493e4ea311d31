"""Settings: plan, destinations, listening in, keys, carriers, secrets, speech, members, audit log, own account."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from outdial.accounts.views import list_accounts
from outdial.agents.own_speech import SpeechVendors
from outdial.agents.secret_use import agents_by_secret
from outdial.agents.speech_check import list_vendors
from outdial.agents.speech_languages import languages
from outdial.agents.tools.access import kept_secrets
from outdial.api.destinations import MAX_TEXT
from outdial.carriers.registry import CARRIERS
from outdial.conversation.understanding.language import ENGLISH, language_of
from outdial.dashboard import audit_words, browsers
from outdial.dashboard.connect_number import region_choices
from outdial.dashboard.page import Here, PageRoute, needs
from outdial.dashboard.words import DESTINATION_SOURCES
from outdial.db.engine import reading
from outdial.history.workers import WorkerState, list_workers
from outdial.lines.workspace_pools import get_workspace
from outdial.members.passwords import MIN_CHARS
from outdial.members.sign_in import list_sign_ins
from outdial.members.store import list_members, operates_all
from outdial.policy.daily_limit import MAX_LIMIT, get_daily_limit
from outdial.policy.destinations import list_destinations
from outdial.policy.spending import MAX_DOLLARS, MAX_TOKENS, get_spend_limit
from outdial.secrets.store import MAX_CHARS, list_secrets
from outdial.speech.vendor import PriceUnit
from outdial.telephony.numbering import all_countries, calling_code
from outdial.workspaces import listening as listening_notice
from outdial.workspaces.access import OPERATE, Role, Scope
from outdial.workspaces.api_keys import list_api_keys
from outdial.workspaces.audit import list_audit
from outdial.workspaces.listening import Announce, get_listening_notice
from outdial.workspaces.plans import LINES, MAX_LINES

router = APIRouter(include_in_schema=False, route_class=PageRoute)

ROLES = {
    Role.OPERATOR: "Everything: carriers, API keys, the plan, destinations, members",
    Role.EDITOR: "Places and steers calls, writes agents, says which one answers a number, keeps the do-not-call list",
    Role.VIEWER: "Looks and listens",
}
ANNOUNCE = {
    Announce.ON_JOIN: (
        "When somebody begins to listen",
        "At the next pause of the conversation, before anybody listening hears it; once a conversation",
    ),
    Announce.AT_START: ("On every call", "Before the agent's first words, whether somebody listens or not"),
    Announce.NEVER: ("Never", "Where all have agreed otherwise, or it isn't needed"),
}
LANGUAGES = {"de": "German", "en": "English", "es": "Spanish", "fr": "French"}
PRICE_UNITS = {
    PriceUnit.AUDIO: "a minute of audio",
    PriceUnit.OPEN: "a minute that its session is open",
    PriceUnit.CHARACTERS: "1,000 characters",
    PriceUnit.TOKENS: "tokens or minutes, by model",
}
WORKER_STATES = {  # and the tone of each
    WorkerState.SERVES: ("Serves", "good"),
    WorkerState.DRAINS: ("Drains", "warn"),
    WorkerState.AWAY: ("Away", "bad"),
}
SCOPES = {
    Scope.PLACE_CALLS: "Places calls, ends them, reads and follows all calls of this workspace. For most programs",
    Scope.READ: "Looks and listens, at everything; for reports",
    Scope.OPERATOR: "Everything but what only people may: also steers calls, writes agents, connects numbers",
}


@router.get("/settings")
async def plan(page: Here) -> Response:
    async with reading(page.services.engine) as conn:
        workspace = await get_workspace(conn, page.workspace_id)
        spending = await get_spend_limit(conn, page.workspace_id)
    return await page.render(
        "settings/plan.html",
        now=workspace,
        presets=LINES,
        max_lines=MAX_LINES,
        spending=spending,
        max_dollars=MAX_DOLLARS,
        max_tokens=MAX_TOKENS,
    )


@router.get("/settings/destinations")
async def destinations(page: Here) -> Response:
    async with reading(page.services.engine) as conn:
        found = await list_destinations(conn, page.workspace_id)
        limit = await get_daily_limit(conn, page.workspace_id)
        accounts = {account["id"]: account for account in await list_accounts(conn, page.workspace_id)}
    return await page.render(
        "settings/destinations.html",
        found=found,
        limit=limit,
        accounts=accounts,
        sources=DESTINATION_SOURCES,
        countries=[(country, calling_code(country)) for country in all_countries()],
        max_limit=MAX_LIMIT,
        max_chars=MAX_TEXT,
    )


@router.get("/settings/listening")
async def listening(page: Here) -> Response:
    async with reading(page.services.engine) as conn:
        notice = await get_listening_notice(conn, page.workspace_id)
    return await page.render(
        "settings/listening.html",
        notice=notice,
        choices=ANNOUNCE,
        sentence=language_of(ENGLISH).texts["listened_to"],
        max_chars=listening_notice.MAX_CHARS,
    )


@router.get("/settings/api-keys")
async def api_keys(page: Here) -> Response:
    async with reading(page.services.engine) as conn:
        keys = await list_api_keys(conn, page.workspace_id)
    return await page.render(
        "settings/api_keys.html",
        scopes=SCOPES,
        keys=[key for key in keys if key["revoked_at"] is None],
        revoked=[key for key in keys if key["revoked_at"] is not None],
    )


@router.get("/settings/carriers")
async def carriers(page: Here) -> Response:
    async with reading(page.services.engine) as conn:
        accounts = await list_accounts(conn, page.workspace_id)
    return await page.render(
        "settings/carriers.html",
        accounts=accounts,
        kinds=CARRIERS,
        regions={kind.name: region_choices(kind) for kind in CARRIERS.values()},
    )


@router.get("/settings/secrets")
async def secrets(page: Here) -> Response:
    async with reading(page.services.engine) as conn:
        found = await list_secrets(conn, page.services.secret_box, page.workspace_id)
        users = await agents_by_secret(conn, page.workspace_id)
    rows = [{**one, "used_by": users.get(one["name"], [])} for one in found]
    return await page.render("settings/secrets.html", found=rows, max_chars=MAX_CHARS)


@router.get("/settings/speech")
async def speech(page: Here) -> Response:
    services = page.services
    async with reading(services.engine) as conn:
        found = await list_secrets(conn, services.secret_box, page.workspace_id)
        users = await agents_by_secret(conn, page.workspace_id)
    keys = {one["name"]: one for one in found}
    vendors = SpeechVendors(services.settings.speech_servers, kept_secrets(services.engine, services.secret_box))
    return await page.render(
        "settings/speech.html",
        vendors=list_vendors(keys, vendors),
        keys=keys,
        users=users,
        languages=languages(),
        names=LANGUAGES,
        units=PRICE_UNITS,
        max_chars=MAX_CHARS,
    )


@router.get("/settings/members")
async def members(page: Here) -> Response:
    async with reading(page.services.engine) as conn:
        found = await list_members(conn, page.workspace_id)
    return await page.render("settings/members.html", members=found, roles=ROLES)


@router.get("/settings/workers")
@needs(OPERATE)
async def workers(page: Here) -> Response:
    """Where they run is for who runs them all: the operators of every workspace."""
    async with reading(page.services.engine) as conn:
        found = await list_workers(conn)
        runs_all = await operates_all(conn, page.person.person_id)
    shown = sorted(found, key=lambda worker: worker.state is WorkerState.AWAY)  # the oldest first, in each part
    versions = {worker.version for worker in found if worker.state is not WorkerState.AWAY}
    return await page.render(
        "settings/workers.html",
        found=shown,
        states=WORKER_STATES,
        runs_all=runs_all,
        versions=len(versions),
        drain_s=page.services.settings.drain_s,
    )


@router.get("/settings/audit-log")
async def audit_log(
    page: Here,
    act: Annotated[str, Query(max_length=50)] = "",
    cursor: Annotated[str | None, Query(max_length=20)] = None,
) -> Response:
    async with reading(page.services.engine) as conn:
        found = await list_audit(conn, page.workspace_id, act=act or None, cursor=cursor)
    entries = [{**entry, **audit_words.words(entry)} for entry in found["entries"]]
    return await page.render(
        "settings/audit_log.html",
        entries=entries,
        next_cursor=found["next_cursor"],
        act=act,
        kinds=audit_words.KINDS,
        is_first=cursor is None,
    )


@router.get("/settings/me")
async def me(page: Here) -> Response:
    async with reading(page.services.engine) as conn:
        found = await list_sign_ins(conn, page.person.person_id, current=page.person.sign_in_id)
    sign_ins = [{**one, "browser": browsers.in_words(one["user_agent"])} for one in found]
    return await page.render("settings/me.html", sign_ins=sign_ins, min_chars=MIN_CHARS)
