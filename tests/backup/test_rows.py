"""Every table, in an order in which its rows can be brought back."""

from outdial.backup.rows import list_rows
from outdial.db.tables import metadata


async def test_each_table_comes_after_those_it_refers_to(engine):
    async with engine.connect() as conn:
        found = await list_rows(conn)
    seen: set[str] = set()
    for rows in found:
        assert rows.after <= seen, rows.table
        seen.add(rows.table)
    assert seen >= metadata.tables.keys(), "procrastinate's, too"
    assert "alembic_version" not in seen
