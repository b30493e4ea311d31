"""A workspace's rules: those that every workspace has, as they were changed, and those that were added.

Of each the setting before its last change is kept, so that whoever changed it can undo that; undoing twice is no
change. The only writer of `alert_rules`.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import TypedDict

from outdial.alerts.rule import DEFAULTS, SHAPES, Kind, Rule, Setting, Unit, checked
from outdial.db.alert_tables import alert_rules
from outdial.ids import new_id
from outdial.refusals import Conflict, Invalid, NotFound
from outdial.workspaces.audit import Actor, record

logger = logging.getLogger(__name__)

MOST = 50  # that were added
MOST_REMOVED = 5


class AlertRuleView(TypedDict):
    """A rule. `unit` is that of `threshold`; what is null beside it a rule of this kind doesn't have. `default`: every
    workspace has it; it can be changed and switched off, not removed. `changed`: it isn't as it is by default. `undo`:
    there is a last change that can be undone."""

    id: str
    kind: Kind
    enabled: bool
    threshold: float | None
    unit: Unit
    window_min: int | None
    least_calls: int | None
    code: str | None
    default: bool
    changed: bool
    undo: bool


Stored = tuple[Setting | None, Setting | None]  # now and before


async def rules_of_all(conn: AsyncConnection, workspace_ids: Sequence[str]) -> Mapping[str, list[Rule]]:
    """By workspace, all of them: those switched off, too. One that nobody can read stops none of the others."""
    changed: dict[str, dict[str, Rule | None]] = {}
    for row in await conn.execute(select(alert_rules)):
        changed.setdefault(row.workspace_id, {})[row.id] = _rule(row.id, row.setting)
    plain = list(DEFAULTS.values())
    return {each: _together(changed[each]) if each in changed else plain for each in workspace_ids}


async def list_rules(conn: AsyncConnection, workspace_id: str) -> list[AlertRuleView]:
    """Those of every workspace first, then those that were added, in the order in which they were."""
    query = select(alert_rules).where(alert_rules.c.workspace_id == workspace_id)
    rows = (await conn.execute(query.order_by(alert_rules.c.created_at, alert_rules.c.id))).all()
    undo = {row.id for row in rows}
    rules = _together({row.id: _rule(row.id, row.setting) for row in rows})
    return [_view(rule, undo=rule.id in undo) for rule in rules]


async def removed_rules(conn: AsyncConnection, workspace_id: str) -> list[AlertRuleView]:
    """Those that were removed last, and can be brought back."""
    row = alert_rules.c
    query = select(row.id, row.before).where(
        row.workspace_id == workspace_id, row.setting.is_(None), row.before.is_not(None)
    )
    rows = (await conn.execute(query.order_by(row.created_at.desc()).limit(MOST_REMOVED))).all()
    return [_view(rule, undo=True) for each in rows if (rule := _rule(each.id, each.before)) is not None]


async def add_rule(
    engine: AsyncEngine, workspace_id: str, kind: Kind, changes: Mapping[str, Any], *, by: Actor
) -> AlertRuleView:
    """One more of a kind, with another threshold, window or failure code. Raises Invalid, Conflict."""
    if SHAPES[kind].most is None:
        raise Invalid("kind", "has one rule alone, which every workspace has: change that")
    setting = checked(kind, changes, SHAPES[kind].default)
    rule_id = new_id("rule")
    async with engine.begin() as conn:
        await _lock(conn, workspace_id)
        there = [rule for rule in await list_rules(conn, workspace_id) if not rule["default"]]
        if len(there) >= MOST:
            raise Conflict("too_many_alert_rules", f"A workspace has at most {MOST} alert rules of its own.")
        rule = Rule(id=rule_id, kind=kind, setting=setting)
        await _store(conn, workspace_id, rule, before=None)
        await _record(conn, workspace_id, by, "added", rule, _told(setting))
    return _view(rule, undo=True)


async def change_rule(
    engine: AsyncEngine, workspace_id: str, rule_id: str, changes: Mapping[str, Any], *, by: Actor
) -> AlertRuleView:
    """Only what is among `changes`. Holds from the next minute on. Raises NotFound, Invalid."""
    async with engine.begin() as conn:
        await _lock(conn, workspace_id)
        rule, has_before = await _find(conn, workspace_id, rule_id)
        setting = checked(rule.kind, changes, rule.setting)
        if setting == rule.setting:
            return _view(rule, undo=has_before)
        return await _change(conn, workspace_id, rule, setting, by)


async def reset_rule(engine: AsyncEngine, workspace_id: str, rule_id: str, *, by: Actor) -> AlertRuleView:
    """Removed, where it was added; of a default one: as it is by default again. Raises NotFound."""
    async with engine.begin() as conn:
        await _lock(conn, workspace_id)
        rule, has_before = await _find(conn, workspace_id, rule_id)
        if rule.is_default:
            default = DEFAULTS[rule_id].setting
            if rule.setting == default:
                return _view(rule, undo=has_before)
            return await _change(conn, workspace_id, rule, default, by)
        await _store(conn, workspace_id, rule, before=rule.setting, removed=True)
        await _record(conn, workspace_id, by, "removed", rule, {})
    return _view(rule, undo=True)


async def undo_rule(engine: AsyncEngine, workspace_id: str, rule_id: str, *, by: Actor) -> AlertRuleView:
    """The last change of a rule undone: also its removal, or that it was added. Undone again, it holds again.

    Raises NotFound where it was never changed."""
    async with engine.begin() as conn:
        await _lock(conn, workspace_id)
        query = select(alert_rules).where(alert_rules.c.workspace_id == workspace_id, alert_rules.c.id == rule_id)
        row = (await conn.execute(query)).one_or_none()
        if row is None:
            raise NotFound("nothing_to_undo", "Nothing was changed about such an alert rule.")
        now, then = _rule(rule_id, row.setting), _rule(rule_id, row.before)
        shown = then or now
        if shown is None:
            raise NotFound("nothing_to_undo", "Nothing that is known was changed about such an alert rule.")
        if then is None:
            await _store(conn, workspace_id, shown, before=shown.setting, removed=True)
        else:
            await _store(conn, workspace_id, then, before=None if now is None else now.setting)
        told = {"removed": True} if then is None else _told(then.setting)
        await _record(conn, workspace_id, by, "undone", shown, told)
    return _view(shown, undo=True)


# -- inside --------------------------------------------------------------------------------------------------


def _rule(rule_id: str, stored: Mapping[str, Any] | None) -> Rule | None:
    """Of a stored setting, with its kind; None: of a default one its default, of others that there is none. So it is
    with what nobody can read, too: evaluated as a default one, or not at all, and free to be changed."""
    if stored is not None:
        try:
            return Rule.from_json(rule_id, stored)
        except ValueError:
            logger.warning("Alert rule not readable", extra={"rule_id": rule_id})
    return DEFAULTS.get(rule_id)


def _together(changed: Mapping[str, Rule | None]) -> list[Rule]:
    defaults = [changed.get(rule_id) or rule for rule_id, rule in DEFAULTS.items()]
    return defaults + [rule for rule_id, rule in changed.items() if rule is not None and rule_id not in DEFAULTS]


async def _find(conn: AsyncConnection, workspace_id: str, rule_id: str) -> tuple[Rule, bool]:
    query = select(alert_rules).where(alert_rules.c.workspace_id == workspace_id, alert_rules.c.id == rule_id)
    row = (await conn.execute(query)).one_or_none()
    rule = _rule(rule_id, None if row is None else row.setting)
    if rule is None:
        raise NotFound("alert_rule_not_found", "There is no such alert rule.")
    return rule, row is not None


async def _change(conn: AsyncConnection, workspace_id: str, rule: Rule, setting: Setting, by: Actor) -> AlertRuleView:
    new = Rule(id=rule.id, kind=rule.kind, setting=setting)
    await _store(conn, workspace_id, new, before=rule.setting)
    old, now = rule.setting.to_json(), setting.to_json()
    changed = {name: now[name] for name in now if now[name] != old[name]}
    await _record(conn, workspace_id, by, "changed", new, changed | {"before": {name: old[name] for name in changed}})
    return _view(new, undo=True)


async def _store(
    conn: AsyncConnection, workspace_id: str, rule: Rule, *, before: Setting | None, removed: bool = False
) -> None:
    kind = {"kind": rule.kind}
    values = {
        "setting": None if removed else rule.setting.to_json() | kind,
        "before": None if before is None else before.to_json() | kind,
    }
    stored = upsert(alert_rules).values(workspace_id=workspace_id, id=rule.id, **values)
    await conn.execute(stored.on_conflict_do_update(index_elements=["workspace_id", "id"], set_=values))


async def _lock(conn: AsyncConnection, workspace_id: str) -> None:
    await conn.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"alert rules {workspace_id}", 0))))


async def _record(
    conn: AsyncConnection, workspace_id: str, by: Actor, what: str, rule: Rule, details: Mapping[str, Any]
) -> None:
    act = f"alert_rule.{what}"
    await record(conn, workspace_id, by, act, subject_id=rule.id, subject_name=rule.kind, details=details)


def _told(setting: Setting) -> dict[str, Any]:
    return {name: value for name, value in setting.to_json().items() if value is not None}


def _view(rule: Rule, *, undo: bool) -> AlertRuleView:
    setting = rule.setting
    return AlertRuleView(
        id=rule.id,
        kind=rule.kind,
        enabled=setting.enabled,
        threshold=setting.threshold,
        unit=rule.shape.unit,
        window_min=setting.window_min,
        least_calls=setting.least_calls,
        code=setting.code,
        default=rule.is_default,
        changed=not rule.is_default or setting != rule.shape.default,
        undo=undo,
    )
