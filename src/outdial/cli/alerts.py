"""outdial alerts: what is raised, the rules, and whether e-mails of them arrive."""

from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.alerts import mail_trial, notices, rules, views
from outdial.alerts.rule import Kind
from outdial.alerts.watching import postbox
from outdial.cli.database import Workspace, the_workspace, with_database
from outdial.cli.failures import CommandFailed
from outdial.cli.output import AsJson, print_json, show, show_change, show_rows
from outdial.cli.verbs import verbs
from outdial.settings import Settings
from outdial.workspaces.audit import COMMAND_LINE

app = verbs("Alerts: what is wrong now, by which rules, and who is told.")

RuleId = Annotated[str, typer.Argument(help="Its id; see: outdial alerts rules", show_default=False)]
Threshold = Annotated[float | None, typer.Option(help="From this figure on; shares are 0 to 1.", show_default=False)]
WindowMin = Annotated[int | None, typer.Option("--window-min", help="Minutes, 15 to 1440.", show_default=False)]
LeastCalls = Annotated[int | None, typer.Option(help="With fewer calls: no alert.", show_default=False)]
Code = Annotated[str | None, typer.Option(help="Only failures with this code.", show_default=False)]
COLUMNS = ["id", "kind", "enabled", "threshold", "unit", "window_min", "least_calls", "code"]
FIGURES = ["enabled", "threshold", "window_min", "least_calls", "code"]


@app.command("list")
def list_(
    past: Annotated[bool, typer.Option("--past", help="Those that are over.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=views.MAX_PAGE, help="Newest first, so many.")] = 50,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """What is raised now."""
    state = views.AlertState.CLEARED if past else views.AlertState.RAISED

    async def work(engine: AsyncEngine, settings: Settings) -> views.AlertPage:
        workspace_id = await the_workspace(engine, workspace)
        async with engine.connect() as conn:
            return await views.list_alerts(
                conn, workspace_id, base_url=settings.base_url, state=state, limit=limit
            )

    found = with_database(work)["alerts"]
    columns = ["id", "kind", "raised_at", *(["cleared_at", "cleared_because"] if past else ["message", "advice"])]
    show_rows(found, columns, as_json=json, empty="Nothing is over yet." if past else "Nothing is raised.")


@app.command("rules")
def rules_(workspace: Workspace = None, json: AsJson = False) -> None:
    """The rules, those that are off, too."""

    async def work(engine: AsyncEngine, _: Settings) -> list[rules.AlertRuleView]:
        workspace_id = await the_workspace(engine, workspace)
        async with engine.connect() as conn:
            return await rules.list_rules(conn, workspace_id)

    show_rows(with_database(work), COLUMNS, as_json=json, empty="")


@app.command()
def add(
    kind: Annotated[str, typer.Argument(help="One of those of outdial alerts rules.", show_default=False)],
    threshold: Threshold = None,
    window_min: WindowMin = None,
    least_calls: LeastCalls = None,
    code: Code = None,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Add one more rule of a kind."""
    wanted = _given(threshold=threshold, window_min=window_min, least_calls=least_calls, code=code)
    if kind not in list(Kind):
        raise CommandFailed(f"there is no such kind; there are: {', '.join(Kind)}")

    async def work(engine: AsyncEngine, _: Settings) -> rules.AlertRuleView:
        return await rules.add_rule(engine, await the_workspace(engine, workspace), Kind(kind), wanted, by=COMMAND_LINE)

    show(with_database(work), as_json=json, done="The rule was added. It holds from the next minute on.")


@app.command()
def change(
    rule_id: RuleId,
    threshold: Threshold = None,
    window_min: WindowMin = None,
    least_calls: LeastCalls = None,
    code: Code = None,
    on: Annotated[bool | None, typer.Option("--on/--off", help="Switch it.", show_default=False)] = None,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Change a rule."""
    given = _given(threshold=threshold, window_min=window_min, least_calls=least_calls, code=code, enabled=on)
    if not given:
        raise CommandFailed("say what is to be changed; see: outdial alerts change --help")

    async def work(engine: AsyncEngine, _: Settings) -> tuple[rules.AlertRuleView, rules.AlertRuleView]:
        workspace_id = await the_workspace(engine, workspace)
        async with engine.connect() as conn:
            known = {rule["id"]: rule for rule in await rules.list_rules(conn, workspace_id)}
        after = await rules.change_rule(engine, workspace_id, rule_id, given, by=COMMAND_LINE)
        return known[rule_id], after

    before, after = with_database(work)
    show_change(before, after, FIGURES, as_json=json, done="The rule was changed. It holds from the next minute on.")


@app.command()
def remove(rule_id: RuleId, workspace: Workspace = None, json: AsJson = False) -> None:
    """Remove a rule, or have it be as it was at first."""

    async def work(engine: AsyncEngine, _: Settings) -> rules.AlertRuleView:
        return await rules.reset_rule(engine, await the_workspace(engine, workspace), rule_id, by=COMMAND_LINE)

    show(with_database(work), as_json=json, done="Done. To undo it: outdial alerts undo " + rule_id)


@app.command()
def undo(rule_id: RuleId, workspace: Workspace = None, json: AsJson = False) -> None:
    """Undo the last change of a rule; also that it was added or removed."""

    async def work(engine: AsyncEngine, _: Settings) -> rules.AlertRuleView:
        return await rules.undo_rule(engine, await the_workspace(engine, workspace), rule_id, by=COMMAND_LINE)

    show(with_database(work), as_json=json, done="The last change was undone.")


@app.command()
def email(
    to: Annotated[list[str] | None, typer.Option("--to", help="Who is told; may be repeated.")] = None,
    operators: Annotated[bool, typer.Option("--operators", help="The operators of the workspace are told.")] = False,
    nobody: Annotated[bool, typer.Option("--nobody", help="Nobody is told.")] = False,
    quiet: Annotated[
        str | None, typer.Option(help='E-mails wait then: 22:00-07:00, or "" for never.', show_default=False)
    ] = None,
    time_zone: Annotated[str | None, typer.Option(help="Europe/Vienna", show_default=False)] = None,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Who gets e-mails of alerts, and when not."""
    if sum([bool(to), operators, nobody]) > 1:
        raise CommandFailed("--to, --operators and --nobody exclude each other")
    changes: dict[str, Any] = {}
    if to or operators or nobody:
        changes["emails"] = None if operators else to or []
    if quiet is not None:
        starts, _, ends = quiet.partition("-")
        changes["quiet"] = {"starts": starts, "ends": ends} if quiet else None
    if time_zone is not None:
        changes["time_zone"] = time_zone

    async def work(engine: AsyncEngine, settings: Settings) -> notices.NoticesView:
        workspace_id = await the_workspace(engine, workspace)
        can_mail = postbox(settings) is not None
        return await notices.change_notices(engine, workspace_id, changes, can_mail=can_mail, by=COMMAND_LINE)

    view = with_database(work)
    if json:
        print_json(view)
        return
    hours = view["quiet"]
    shown = {
        "addresses": ", ".join(view["addresses"]) or "nobody",
        "quiet": "never" if hours is None else f"{hours['starts']} to {hours['ends']}, {view['time_zone']}",
        "email": view["email"],
    }
    show(shown, as_json=False, done="Changed." if changes else "E-mails of alerts:")


@app.command("test")
def try_mail(
    to: Annotated[str | None, typer.Option(help="Only this address.", show_default=False)] = None,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Send a test e-mail to whoever gets those of alerts."""
    if to is not None and not notices.is_address(to):
        raise CommandFailed("--to must be an e-mail address")

    async def work(engine: AsyncEngine, settings: Settings) -> mail_trial.MailTest:
        workspace_id = await the_workspace(engine, workspace)
        return await mail_trial.send_test(engine, settings, workspace_id, to=to, by=COMMAND_LINE)

    tested = with_database(work)
    rows = [{**each, "error": each["error"] or "taken by the mail server"} for each in tested["addresses"]]
    if json:
        print_json(tested)
    else:
        show_rows(rows, ["address", "error"], as_json=False, empty="")
    if not tested["sent"]:
        raise typer.Exit(1)


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
