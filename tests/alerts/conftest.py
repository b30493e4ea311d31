"""Alerts in virtual time: calls that end at an instant, and minutes that are evaluated."""

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.alerts.evaluate import Evaluated, evaluate
from outdial.alerts.rules import change_rule
from outdial.alerts.views import list_alerts
from outdial.alerts.watching import Postbox, send_due
from outdial.db.alert_tables import alert_mails
from outdial.db.tables import members, people
from outdial.workspaces.audit import COMMAND_LINE
from workspace import Workspace

BASE_URL = "https://voice.example"
_numbers = itertools.count()

ADD = """
    INSERT INTO calls (id, workspace_id, number_id, direction, state, "from", "to", agent_id, agent_version,
        ring_timeout_s, max_duration_s, created_at)
    SELECT :prefix || n, :workspace, :number, 'outbound', 'queued', '+12025550100', '+13035550100', 'agent_1', 1, 30,
        600, CAST(:at AS timestamptz) - interval '5 hours'
    FROM generate_series(1, :many) AS n
"""
END = """
    UPDATE calls SET state = 'ended', end_reason = :reason, ended_at = :at, error = CAST(:error AS jsonb),
        answered_at = CASE WHEN :answered THEN CAST(:at AS timestamptz) - interval '1 minute' END
    WHERE id LIKE :prefix || '%'
"""


@dataclass
class Minutes:
    """The time of a test, and what is done in it. Calls were accepted long before they end."""

    engine: AsyncEngine
    workspace: Workspace
    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(hour=9, minute=2, second=0, microsecond=0))
    mail: bool = False

    async def pass_(self, minutes: int = 1) -> Evaluated:
        """So many, and then all is evaluated."""
        self.now += timedelta(minutes=minutes)
        done = await evaluate(self.engine, mail=self.mail, now=self.now)
        assert done is not None
        return done

    async def end(
        self,
        many: int,
        reason: str = "completed",
        *,
        answered: bool = True,
        code: str | None = None,
        of: Workspace | None = None,
        ago: timedelta = timedelta(minutes=1),
    ) -> str:
        """So many calls end, a minute ago; their ids begin so."""
        workspace, prefix, at = of or self.workspace, f"call_{next(_numbers)}x", self.now - ago
        error = None if code is None else f'{{"code": "{code}", "message": "No."}}'
        values = {"prefix": prefix, "workspace": workspace.id, "number": workspace.number_id, "many": many, "at": at}
        async with self.engine.begin() as conn:
            await conn.execute(text(ADD), values)
            await conn.execute(
                text(END), {"prefix": prefix, "reason": reason, "at": at, "error": error, "answered": answered}
            )
        return prefix

    async def fail(self, many: int, code: str = "unreachable", **fields: Any) -> str:
        return await self.end(many, "failed", answered=False, code=code, **fields)

    async def alerts(self, of: Workspace | None = None) -> list[Any]:
        async with self.engine.connect() as conn:
            page = await list_alerts(conn, (of or self.workspace).id, base_url=BASE_URL)
        return page["alerts"]

    async def raised(self, of: Workspace | None = None) -> list[str]:
        """The rules that are raised."""
        return sorted(each["rule_id"] for each in await self.alerts(of) if each["state"] == "raised")

    async def change(self, rule_id: str, **changes: Any) -> None:
        await change_rule(self.engine, self.workspace.id, rule_id, changes, by=COMMAND_LINE)

    async def send(self, postbox: Postbox) -> bool:
        return await send_due(self.engine, postbox, base_url=BASE_URL, clock=lambda: self.now)

    async def mails(self) -> list[tuple[str, str, str | None]]:
        mail = alert_mails.c
        async with self.engine.connect() as conn:
            rows = await conn.execute(select(mail.event, mail.address, mail.result).order_by(mail.address, mail.event))
            return [(row.event, row.address, row.result) for row in rows]


@pytest.fixture
def minutes(engine, workspace) -> Minutes:
    return Minutes(engine=engine, workspace=workspace)


AddOperator = Callable[[str], Awaitable[None]]


@pytest.fixture
def add_person(engine, workspace):
    async def add(email: str, role: str = "operator") -> None:
        person = {"id": f"per_{next(_numbers)}", "email": email, "name": "Jane Doe"}
        async with engine.begin() as conn:
            await conn.execute(insert(people).values(person))
            await conn.execute(
                insert(members).values(workspace_id=workspace.id, person_id=person["id"], role=role)
            )

    return add
