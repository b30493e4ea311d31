"""Endpoints: who is told of a workspace's events. Made, changed, paused, removed; their secrets made anew.

The URLs that come with requests share one of these, without a URL of its own: it has their secret, and is made when it
is needed. To users it is called `requests`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from sqlalchemy import RowMapping, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import TypedDict

from outdial.db.webhook_tables import webhooks
from outdial.ids import is_id, new_id
from outdial.instants import to_json
from outdial.net.urls import host_of
from outdial.refusals import Conflict, NotFound
from outdial.webhooks.event_type import EventType
from outdial.webhooks.signature import new_secret
from outdial.workspaces.audit import Actor, record
from outdial.workspaces.secrets import SecretBox, WrongSecretKey

REQUESTS = "requests"
MOST = 50                    # endpoints of a workspace: each is one more delivery of every event
OVERLAP = timedelta(days=1)  # how long the secret before signs as well
COUNTED = 10_000             # of what waits, at most


class Status(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"  # by somebody
    OFF = "off"        # by us: it failed for days, or said that it is gone


class OffReason(StrEnum):
    FAILING = "failing"  # nothing was accepted for days
    GONE = "gone"        # it answered 410


class WebhookView(TypedDict):
    """An endpoint. `url` is null of the one that stands for the URLs of requests, whose `id` is `requests`. `headers`
    are the names of those that are sent along; their values are shown to nobody. While it is `paused` or `off`, what is
    to be told waits, for three days: `waiting` counts that (10000 at most). `failing_since`: since then nothing was
    accepted. `old_secret_until`: until then the secret before the last one signs as well."""

    id: str
    url: str | None
    events: list[EventType]
    description: str | None
    headers: list[str]
    status: Status
    off_reason: OffReason | None
    off_at: str | None
    failing_since: str | None
    waiting: int
    old_secret_until: str | None
    created_at: str


class NewWebhook(WebhookView):
    """`secret` signs what is sent to it. It is shown here and never again."""

    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A row of `webhooks`; the secrets are encrypted."""

    id: str
    workspace_id: str
    url: str | None
    events: list[str] | None
    description: str | None
    headers: bytes | None
    secret: bytes
    old_secret: bytes | None
    old_secret_until: datetime | None
    paused_at: datetime | None
    off_at: datetime | None
    off_reason: OffReason | None
    failing_since: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, row: RowMapping) -> Self:
        stored: dict[str, Any] = {name: row[webhooks.c[name]] for name in cls.__slots__}
        reason = stored["off_reason"]
        return cls(**stored | {"off_reason": None if reason is None else OffReason(reason)})

    @property
    def status(self) -> Status:
        if self.off_at is not None:
            return Status.OFF
        return Status.ACTIVE if self.paused_at is None else Status.PAUSED

    @property
    def public_id(self) -> str:
        return REQUESTS if self.url is None else self.id

    def view(self, secret_box: SecretBox, *, waiting: int, now: datetime) -> WebhookView:
        overlaps = self.old_secret_until is not None and self.old_secret_until > now
        return WebhookView(
            id=self.public_id,
            url=self.url,
            events=list(EventType) if self.events is None else [EventType(each) for each in self.events],
            description=self.description,
            headers=sorted(readable_headers(secret_box, self.headers)),
            status=self.status,
            off_reason=self.off_reason,
            off_at=to_json(self.off_at),
            failing_since=to_json(self.failing_since),
            waiting=waiting,
            old_secret_until=to_json(self.old_secret_until) if overlaps else None,
            created_at=to_json(self.created_at),
        )


def readable_headers(secret_box: SecretBox, stored: bytes | None) -> Mapping[str, str]:
    """None where they were encrypted with a key that is lost."""
    try:
        found: Mapping[str, str] = {} if stored is None else secret_box.decrypt(stored)
    except WrongSecretKey:
        return {}
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an endpoint is to be, field by field; only what is among `given` is meant."""

    given: Collection[str]
    url: str | None = None
    events: Sequence[EventType] | None = None
    description: str | None = None
    headers: Mapping[str, str] | None = None
    paused: bool | None = None

    def columns(self, secret_box: SecretBox) -> dict[str, Any]:
        columns: dict[str, Any] = {name: getattr(self, name) for name in ("url", "description") if name in self.given}
        if "events" in self.given:
            chosen = [each for each in EventType if each in (self.events or ())]
            columns["events"] = None if not chosen or len(chosen) == len(EventType) else chosen
        if "headers" in self.given:
            columns["headers"] = secret_box.encrypt(dict(self.headers)) if self.headers else None
        if self.paused is not None:
            columns["paused_at"] = func.now() if self.paused else None
        if self.paused is False:
            columns |= {"off_at": None, "off_reason": None, "failing_since": None}
        return columns


async def list_webhooks(conn: AsyncConnection, secret_box: SecretBox, workspace_id: str) -> list[WebhookView]:
    """The endpoints, in the order in which they were made; not the one of the requests."""
    hook = webhooks.c
    query = _ROWS.where(hook.workspace_id == workspace_id, hook.url.is_not(None)).order_by(hook.created_at, hook.id)
    found = [Endpoint.of(row) for row in (await conn.execute(query)).mappings()]
    return await _views(conn, secret_box, found)


async def get_webhook(
    conn: AsyncConnection, secret_box: SecretBox, workspace_id: str, webhook_id: str
) -> WebhookView:
    """Raises NotFound, also for one of another workspace."""
    (view,) = await _views(conn, secret_box, [await find_endpoint(conn, workspace_id, webhook_id)])
    return view


async def find_endpoint(
    conn: AsyncConnection, workspace_id: str, webhook_id: str, *, lock: bool = False
) -> Endpoint:
    """By the id that users know. Raises NotFound."""
    row = None
    if webhook_id == REQUESTS or is_id(webhook_id, "wh"):
        which = webhooks.c.url.is_(None) if webhook_id == REQUESTS else webhooks.c.id == webhook_id
        query = _ROWS.where(webhooks.c.workspace_id == workspace_id, which)
        row = (await conn.execute(query.with_for_update() if lock else query)).mappings().one_or_none()
    if row is None or (webhook_id != REQUESTS and row[webhooks.c.url] is None):
        raise NotFound("webhook_not_found", "There is no such webhook endpoint.")
    return Endpoint.of(row)


async def create_webhook(
    engine: AsyncEngine, secret_box: SecretBox, workspace_id: str, wanted: Wanted, *, by: Actor
) -> NewWebhook:
    """The URL has been checked. Raises Conflict where there are too many."""
    webhook_id, secret = new_id("wh"), new_secret()
    row = {"id": webhook_id, "workspace_id": workspace_id, "secret": secret_box.encrypt(secret)}
    async with engine.begin() as conn:
        await conn.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"webhooks {workspace_id}", 0))))
        if len(await list_webhooks(conn, secret_box, workspace_id)) >= MOST:
            raise Conflict("too_many_webhooks", f"A workspace has at most {MOST} webhook endpoints.")
        await conn.execute(insert(webhooks).values(row | wanted.columns(secret_box)))
        view = await get_webhook(conn, secret_box, workspace_id, webhook_id)
        made: dict[str, Any] = {"events": _named(view)}
        await _record(conn, workspace_id, by, "added", view, made | ({"paused": True} if wanted.paused else {}))
    return NewWebhook(**view, secret=secret)


async def change_webhook(
    engine: AsyncEngine, secret_box: SecretBox, workspace_id: str, webhook_id: str, wanted: Wanted, *, by: Actor
) -> WebhookView:
    """Whatever waits is sent as the endpoint is now. Taken up again (`paused` false), it begins as if it had never
    failed. Raises NotFound."""
    async with engine.begin() as conn:
        before = await find_endpoint(conn, workspace_id, webhook_id, lock=True)
        if columns := wanted.columns(secret_box):
            await conn.execute(update(webhooks).where(webhooks.c.id == before.id).values(columns))
        if wanted.paused is False:
            await conn.execute(_FORGET_FAILURES, {"webhook": before.id})
        view = await get_webhook(conn, secret_box, workspace_id, webhook_id)
        if columns:
            changed = {name: _told(name, view) for name in sorted(wanted.given)}
            if wanted.paused is not None:
                changed["paused"] = wanted.paused
            if wanted.paused is False and before.off_at is not None:
                changed["switched_on"] = True
            await _record(conn, workspace_id, by, "changed", view, changed)
    return view


async def remove_webhook(
    engine: AsyncEngine, secret_box: SecretBox, workspace_id: str, webhook_id: str, *, by: Actor
) -> WebhookView:
    """What waits for it is sent to nobody; what was sent stays in its log. Raises NotFound."""
    async with engine.begin() as conn:
        endpoint = await find_endpoint(conn, workspace_id, webhook_id, lock=True)
        if endpoint.url is None:
            raise NotFound("webhook_not_found", "There is no such webhook endpoint.")
        view = await get_webhook(conn, secret_box, workspace_id, webhook_id)
        gone = {"removed_at": func.now(), "headers": None, "old_secret": None, "secret": b""}
        await conn.execute(update(webhooks).where(webhooks.c.id == endpoint.id).values(gone))
        await _record(conn, workspace_id, by, "removed", view, {})
    return view


async def rotate_secret(
    engine: AsyncEngine, secret_box: SecretBox, workspace_id: str, webhook_id: str, *, force: bool, by: Actor
) -> NewWebhook:
    """A new secret; for a day the one before signs as well. Raises NotFound, and Conflict where the last one was made
    within that day, for then a third one would take the place of one that receivers may still need (`force`: so be
    it)."""
    secret = new_secret()
    async with engine.begin() as conn:
        endpoint = await find_endpoint(conn, workspace_id, webhook_id, lock=True)
        now = await conn.scalar(select(func.now()))
        assert now is not None
        if not force and endpoint.old_secret_until is not None and endpoint.old_secret_until > now:
            raise Conflict(
                "rotated_already",
                f"The secret was changed less than a day ago, and the one before signs until "
                f"{to_json(endpoint.old_secret_until)}. Wait for that, or send {{\"force\": true}}: then it ends now.",
            )
        made: dict[str, Any] = {"secret": secret_box.encrypt(secret)}
        made |= {"old_secret": endpoint.secret, "old_secret_until": now + OVERLAP}
        await conn.execute(update(webhooks).where(webhooks.c.id == endpoint.id).values(made))
        view = await get_webhook(conn, secret_box, workspace_id, webhook_id)
        await _record(conn, workspace_id, by, "secret_rotated", view, {"forced": True} if force else {})
    return NewWebhook(**view, secret=secret)


async def ensure_requests(conn: AsyncConnection, secret_box: SecretBox, workspace_ids: Collection[str]) -> None:
    """Have these workspaces an endpoint for the URLs that come with requests."""
    hook = webhooks.c
    if not workspace_ids:
        return
    query = select(hook.workspace_id).where(hook.url.is_(None), hook.workspace_id.in_(workspace_ids))
    for workspace_id in sorted(set(workspace_ids) - set((await conn.scalars(query)).all())):
        row = {"id": new_id("wh"), "workspace_id": workspace_id, "secret": secret_box.encrypt(new_secret())}
        await conn.execute(upsert(webhooks).values(row).on_conflict_do_nothing())


async def requests_secret(
    engine: AsyncEngine, secret_box: SecretBox, workspace_id: str, *, by: Actor
) -> NewWebhook:
    """The endpoint of the requests, with its secret, which is shown whenever it is asked for: nobody was there when it
    was made."""
    async with engine.begin() as conn:
        await ensure_requests(conn, secret_box, [workspace_id])
        endpoint = await find_endpoint(conn, workspace_id, REQUESTS)
        view = await get_webhook(conn, secret_box, workspace_id, REQUESTS)
        secret = str(secret_box.decrypt(endpoint.secret))
        await _record(conn, workspace_id, by, "secret_shown", view, {})
    return NewWebhook(**view, secret=secret)


async def _views(
    conn: AsyncConnection, secret_box: SecretBox, endpoints: Sequence[Endpoint]
) -> list[WebhookView]:
    waiting = {}
    now = await conn.scalar(select(func.now()))
    assert now is not None
    for endpoint in endpoints:
        waiting[endpoint.id] = await conn.scalar(_WAITING, {"webhook": endpoint.id, "at_most": COUNTED}) or 0
    return [endpoint.view(secret_box, waiting=waiting[endpoint.id], now=now) for endpoint in endpoints]


def _told(name: str, view: WebhookView) -> Any:
    """A field in the audit log: of the headers their names, of a URL its host, for both may hold secrets."""
    match name:
        case "url":
            return named(view["url"])
        case "events":
            return _named(view)
    return view[name]  # type: ignore[literal-required]


def _named(view: WebhookView) -> str | list[str]:
    return "all" if len(view["events"]) == len(EventType) else [str(each) for each in view["events"]]


def named(url: str | None) -> str:
    """What may be told of an endpoint's URL anywhere."""
    return "requests' own URLs" if url is None else host_of(url)


async def _record(
    conn: AsyncConnection, workspace_id: str, by: Actor, what: str, view: WebhookView, details: Mapping[str, Any]
) -> None:
    await record(
        conn,
        workspace_id,
        by,
        f"webhook.{what}",
        subject_id=view["id"],
        subject_name=named(view["url"]),
        details=details,
    )


_ROWS = select(*(webhooks.c[name] for name in Endpoint.__slots__)).where(webhooks.c.removed_at.is_(None))
_WAITING = text("""
    SELECT count(*) FROM (
        SELECT FROM webhook_deliveries WHERE webhook_id = :webhook AND finished_at IS NULL LIMIT :at_most
    ) AS waiting
""")
_FORGET_FAILURES = text("""
    UPDATE webhook_lanes SET failures = 0, hold_until = NULL WHERE webhook_id = :webhook
    RETURNING pg_notify('outdial_webhook_lanes', lane)
""")
