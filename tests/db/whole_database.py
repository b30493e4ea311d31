"""All that is in a database, its rows and its schema, to compare what was with what is."""

from collections.abc import Container, Iterator, Mapping
from typing import Any

import psycopg
from psycopg import sql

Rows = Mapping[str, Mapping[str, dict[str, Any]]]  # table → primary key → columns


def read_rows(connection: psycopg.Connection) -> Rows:
    connection.execute("SET timezone = 'UTC'")
    keys: dict[str, list[str]] = {}
    columns = connection.execute(
        "SELECT c.relname, a.attname FROM pg_class c JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary"
        " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)"
        " WHERE c.relnamespace = 'public'::regnamespace ORDER BY c.relname, a.attnum"
    )
    for table, column in columns:
        keys.setdefault(table, []).append(column)
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for table in keys:
        rows = connection.execute(sql.SQL("SELECT to_jsonb(t) FROM {} AS t").format(sql.Identifier(table)))
        mine = [] if table == "alembic_version" else keys[table]
        found[table] = {" ".join(str(row[name]) for name in mine): row for (row,) in rows}
    return found


def schema_of(url: str) -> list[tuple[Any, ...]]:
    """Columns, constraints and indexes, as PostgreSQL writes them."""
    with psycopg.connect(url) as connection:
        columns = connection.execute(
            "SELECT table_name, column_name, data_type, is_nullable, column_default, is_identity"
            " FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2"
        ).fetchall()
        constraints = connection.execute(
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2"
        ).fetchall()
        indexes = connection.execute(
            "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2"
        ).fetchall()
    return [*columns, *constraints, *indexes]


def lost(told: Any, answer: Any, *, changed: Container[str] = (), path: str = "") -> Iterator[str]:
    """Where `answer` (JSON) says otherwise than what was told, but for the paths in `changed`. It may say more."""
    if path in changed:
        return
    match told:
        case dict() if isinstance(answer, dict):
            for name, value in told.items():
                deeper = f"{path}.{name}".lstrip(".")
                if name in answer:
                    yield from lost(value, answer[name], changed=changed, path=deeper)
                elif deeper not in changed:
                    yield f"{deeper}: gone"
        case list() if isinstance(answer, list) and len(answer) == len(told):
            for before, now in zip(told, answer, strict=True):
                yield from lost(before, now, changed=changed, path=path)
        case _:
            if told != answer:
                yield f"{path}: {answer!r}, was {told!r}"
