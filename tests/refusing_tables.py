"""A table that takes no rows, as on a full disk. The database of the tests forgets it with the test."""

from sqlalchemy import Table, text
from sqlalchemy.ext.asyncio import AsyncEngine

DISK_FULL = "53100"  # SQLSTATE; https://www.postgresql.org/docs/18/errcodes-appendix.html


async def refuse_rows(engine: AsyncEngine, table: Table, sqlstate: str = DISK_FULL) -> None:
    raises = f"BEGIN RAISE EXCEPTION 'no row for you' USING ERRCODE = '{sqlstate}'; END"
    async with engine.begin() as conn:
        await conn.execute(text(f"CREATE FUNCTION refuse_rows() RETURNS trigger LANGUAGE plpgsql AS $${raises}$$"))
        await conn.execute(
            text(f"CREATE TRIGGER refuse_rows BEFORE INSERT ON {table.name} EXECUTE FUNCTION refuse_rows()")
        )
