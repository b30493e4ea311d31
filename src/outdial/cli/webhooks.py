"""outdial webhooks: who is told of what happens to calls, and what was sent."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.cli.database import Workspace, the_box, the_workspace, with_database
from outdial.cli.failures import CommandFailed
from outdial.cli.output import AsJson, console, progress, show, show_change, show_rows
from outdial.cli.verbs import verbs
from outdial.instants import parse_instant
from outdial.settings import Settings
from outdial.webhooks import endpoints, log, resending
from outdial.webhooks.attempt import WebhookClient
from outdial.webhooks.event_type import EventType
from outdial.webhooks.headers import check_headers
from outdial.webhooks.trying import Tried, try_endpoint
from outdial.workspaces.audit import COMMAND_LINE
from outdial.workspaces.secrets import SecretBox

app = verbs("Webhooks: who is told of what happens to calls.")

WebhookId = Annotated[
    str, typer.Argument(help="Of an endpoint; requests: the URLs that came with requests.", show_default=False)
]
Events = Annotated[
    list[EventType] | None,
    typer.Option("--event", metavar="EVENT", help="Which; may be repeated. Default: all.", show_default=False),
]
Description = Annotated[str | None, typer.Option(help="For people.", show_default=False)]
Headers = Annotated[
    list[str] | None,
    typer.Option("--header", help='"Name: value", sent along with each request.', show_default=False),
]
COLUMNS = ["id", "url", "status", "events", "waiting", "failing_since", "created_at"]


@asynccontextmanager
async def _client(settings: Settings) -> AsyncIterator[WebhookClient]:
    client = WebhookClient(settings.allowed_private)
    try:
        yield client
    finally:
        await client.aclose()


async def _checked(settings: Settings, url: str) -> str:
    async with _client(settings) as client:
        try:
            return await client.check(url)
        except ValueError as error:
            raise CommandFailed(f"the URL {error}") from None


def _headers(given: list[str] | None) -> dict[str, str] | None:
    if not given:
        return None
    parted = [each.partition(":") for each in given]
    if any(not colon or not name.strip() or not value.strip() for name, colon, value in parted):
        raise CommandFailed('a header is written "Name: value"')
    headers = {name.strip(): value.strip() for name, _, value in parted}
    try:
        check_headers(headers)
    except ValueError as error:
        raise CommandFailed(f"--header: {error}") from None
    return headers


@app.command("list")
def list_(workspace: Workspace = None, json: AsJson = False) -> None:
    """The endpoints of a workspace."""

    async def work(engine: AsyncEngine, settings: Settings) -> list[endpoints.WebhookView]:
        workspace_id = await the_workspace(engine, workspace)
        async with engine.connect() as conn:
            return await endpoints.list_webhooks(conn, SecretBox.from_settings(settings), workspace_id)

    found = with_database(work)
    show_rows(found, COLUMNS, as_json=json, empty="No endpoint yet; add one: outdial webhooks add URL")


@app.command()
def add(
    url: Annotated[str, typer.Argument(help="https://example.com/webhooks", show_default=False)],
    events: Events = None,
    description: Description = None,
    headers: Headers = None,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Add an endpoint. Its secret is shown this once."""

    async def work(engine: AsyncEngine, settings: Settings) -> endpoints.NewWebhook:
        wanted = endpoints.Wanted(
            given={"url", "events", "description", "headers"},
            url=await _checked(settings, url),
            events=events,
            description=description,
            headers=_headers(headers),
        )
        workspace_id = await the_workspace(engine, workspace)
        return await endpoints.create_webhook(
            engine, await the_box(engine, settings), workspace_id, wanted, by=COMMAND_LINE
        )

    made = with_database(work)
    show(made, as_json=json, done="Endpoint added. Keep its secret now: it can't be shown again.")
    if not json:
        progress.print(f"Try it: outdial webhooks test {made['id']}", markup=False)


@app.command()
def change(
    webhook_id: WebhookId,
    url: Annotated[str | None, typer.Option(help="Also what waits goes there.", show_default=False)] = None,
    events: Events = None,
    all_events: Annotated[bool, typer.Option("--all-events", help="Tell it of everything.")] = False,
    description: Description = None,
    headers: Headers = None,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Change an endpoint. What isn't given stays."""
    given = {"url": url, "description": description, "headers": headers, "events": events or all_events or None}
    names = {name for name, value in given.items() if value is not None}

    async def wanted(settings: Settings) -> endpoints.Wanted:
        checked = None if url is None else await _checked(settings, url)
        return endpoints.Wanted(
            given=names,
            url=checked,
            events=None if all_events else events,
            description=description,
            headers=_headers(headers),
        )

    _change(webhook_id, wanted, workspace, as_json=json, done="Changed.")


@app.command()
def pause(webhook_id: WebhookId, workspace: Workspace = None, json: AsJson = False) -> None:
    """Send nothing, and keep it for three days."""
    _change(webhook_id, _paused(True), workspace, as_json=json, done="Paused. What happens is kept for three days.")


@app.command()
def resume(webhook_id: WebhookId, workspace: Workspace = None, json: AsJson = False) -> None:
    """Send again to one that was paused or switched off."""
    _change(webhook_id, _paused(False), workspace, as_json=json, done="Resumed. What waits is sent.")


@app.command()
def remove(webhook_id: WebhookId, workspace: Workspace = None, json: AsJson = False) -> None:
    """Remove an endpoint. What waits for it is sent to nobody."""

    async def work(engine: AsyncEngine, settings: Settings) -> endpoints.WebhookView:
        workspace_id, box = await the_workspace(engine, workspace), SecretBox.from_settings(settings)
        return await endpoints.remove_webhook(engine, box, workspace_id, webhook_id, by=COMMAND_LINE)

    show(with_database(work), as_json=json, done="Removed.")


@app.command("test")
def try_(
    webhook_id: WebhookId,
    event: Annotated[EventType, typer.Option(metavar="EVENT", help="A sample of which event.")] = EventType.ENDED,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Send a sample now, and show what came back."""

    async def work(engine: AsyncEngine, settings: Settings) -> Tried:
        workspace_id, box = await the_workspace(engine, workspace), SecretBox.from_settings(settings)
        async with _client(settings) as client:
            return await try_endpoint(engine, client, box, workspace_id, webhook_id, event, by=COMMAND_LINE)

    tried = with_database(work)
    (told,) = tried["delivery"]["tries"]
    done = "Accepted." if tried["delivered"] else "Not accepted."
    show(tried if json else {**told, **tried["signed"]}, as_json=json, done=done)
    if not tried["delivered"]:
        raise typer.Exit(1)


@app.command("rotate-secret")
def rotate_secret(
    webhook_id: WebhookId,
    force: Annotated[bool, typer.Option(help="Also less than a day after the last time.")] = False,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Make a new secret. For a day the one before signs as well."""

    async def work(engine: AsyncEngine, settings: Settings) -> endpoints.NewWebhook:
        workspace_id, box = await the_workspace(engine, workspace), await the_box(engine, settings)
        await _prepare(engine, settings, workspace_id, webhook_id)
        return await endpoints.rotate_secret(engine, box, workspace_id, webhook_id, force=force, by=COMMAND_LINE)

    made = with_database(work)
    show(made, as_json=json, done=f"Secret made. The one before signs until {made['old_secret_until']}.")


@app.command()
def secret(workspace: Workspace = None, json: AsJson = False) -> None:
    """Show the secret for the webhook_url of requests."""

    async def work(engine: AsyncEngine, settings: Settings) -> endpoints.NewWebhook:
        workspace_id = await the_workspace(engine, workspace)
        box = await the_box(engine, settings)
        return await endpoints.requests_secret(engine, box, workspace_id, by=COMMAND_LINE)

    found = with_database(work)
    show(found if json else {"secret": found["secret"]}, as_json=json, done="Of the webhook_url of requests:")


@app.command()
def deliveries(
    webhook_id: WebhookId,
    state: Annotated[log.Wanted | None, typer.Option(help="Which. Default: all.", show_default=False)] = None,
    call: Annotated[str | None, typer.Option(help="Of this call.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(min=1, max=log.MAX_PAGE, help="Newest first, so many.")] = log.PAGE,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """What was sent, and what came back."""

    async def work(engine: AsyncEngine, settings: Settings) -> log.DeliveryPage:
        workspace_id = await the_workspace(engine, workspace)
        await _prepare(engine, settings, workspace_id, webhook_id)
        async with engine.connect() as conn:
            return await log.list_deliveries(conn, workspace_id, webhook_id, state=state, call_id=call, limit=limit)

    found = with_database(work)["deliveries"]
    rows = found if json else [_row(each) for each in found]
    columns = ["id", "type", "call_id", "sequence", "state", "tries", "status", "created_at", "next_at"]
    show_rows(rows, columns, as_json=json, empty="Nothing was sent yet.")
    if not json and (hints := {tries[-1]["hint"] for each in found if (tries := each["tries"])} - {None}):
        for hint in sorted(str(each) for each in hints):
            progress.print(hint, markup=False)


@app.command()
def resend(
    webhook_id: WebhookId,
    delivery: Annotated[int | None, typer.Argument(help="Id of a delivery.", show_default=False)] = None,
    since: Annotated[
        str | None,
        typer.Option(help="All since then that was given up: 2h, 3d or an instant.", show_default=False),
    ] = None,
    delivered: Annotated[bool, typer.Option(help="With --since: also what was accepted.")] = False,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Send one delivery again, or all since an instant."""
    if (delivery is None) is (since is None):
        raise CommandFailed("say which: the id of a delivery, or --since")

    async def work(engine: AsyncEngine, _: Settings) -> Any:
        workspace_id = await the_workspace(engine, workspace)
        if delivery is not None:
            return await resending.resend(engine, workspace_id, webhook_id, delivery, by=COMMAND_LINE)
        at = _instant(since or "")
        return await resending.resend_since(
            engine, workspace_id, webhook_id, at, delivered=delivered, by=COMMAND_LINE
        )

    found = with_database(work)
    if json or delivery is not None:
        show(found, as_json=json, done="It is sent again.")
    else:
        console.print(f"{found['deliveries']} are sent again.")


def _paused(paused: bool) -> Any:
    async def wanted(settings: Settings) -> endpoints.Wanted:
        return endpoints.Wanted(given=(), paused=paused)

    return wanted


def _change(webhook_id: str, wanted: Any, workspace: str | None, *, as_json: bool, done: str) -> None:
    async def work(engine: AsyncEngine, settings: Settings) -> tuple[endpoints.WebhookView, endpoints.WebhookView]:
        workspace_id, box = await the_workspace(engine, workspace), SecretBox.from_settings(settings)
        await _prepare(engine, settings, workspace_id, webhook_id)
        async with engine.connect() as conn:
            before = await endpoints.get_webhook(conn, box, workspace_id, webhook_id)
        change = await wanted(settings)
        if change.headers:
            await the_box(engine, settings)
        after = await endpoints.change_webhook(engine, box, workspace_id, webhook_id, change, by=COMMAND_LINE)
        return before, after

    before, after = with_database(work)
    names = ["url", "events", "description", "headers", "status", "waiting"]
    show_change(before, after, names, as_json=as_json, done=done)


async def _prepare(engine: AsyncEngine, settings: Settings, workspace_id: str, webhook_id: str) -> None:
    if webhook_id == endpoints.REQUESTS:
        box = await the_box(engine, settings)
        async with engine.begin() as conn:
            await endpoints.ensure_requests(conn, box, [workspace_id])


def _row(delivery: log.DeliveryView) -> dict[str, Any]:
    tries = delivery["tries"]
    last = tries[-1] if tries else None
    return {**delivery, "tries": len(tries), "status": last and (last["status"] or last["problem"])}


def _instant(text: str) -> datetime:
    """An instant, or how long ago."""
    unit = {"m": "minutes", "h": "hours", "d": "days"}.get(text[-1:])
    if unit is not None and text[:-1].isascii() and text[:-1].isdigit() and len(text) < 8:
        return datetime.now(UTC) - timedelta(**{unit: int(text[:-1])})
    try:
        return parse_instant(text)
    except ValueError as error:
        raise CommandFailed(f"--since {error}, or such as 2h or 3d") from None
