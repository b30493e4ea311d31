"""How many rows PostgreSQL reads of a table for what a function asks: plans looked at, no clock."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine


async def rows_read(engine: AsyncEngine, ask: Callable[[AsyncConnection], Awaitable[object]]) -> Counter[str]:
    """By table, of all statements together; rows that a filter threw away are among them."""
    asked: list[tuple[str, Any]] = []

    def note(conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
        asked.append((statement, parameters))

    async with engine.connect() as conn:
        event.listen(engine.sync_engine, "before_cursor_execute", note)
        try:
            await ask(conn)
        finally:
            event.remove(engine.sync_engine, "before_cursor_execute", note)
        read: Counter[str] = Counter()
        for statement, parameters in asked:
            plan = await conn.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
            for node in _nodes(plan.scalar_one()[0]["Plan"]):
                thrown_away = sum(node.get(f"Rows Removed by {why}", 0) for why in ("Filter", "Index Recheck"))
                read[node.get("Relation Name", "")] += round((node["Actual Rows"] + thrown_away) * node["Actual Loops"])
    return read


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)
