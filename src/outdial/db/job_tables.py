"""The tables of procrastinate (`procrastinate_…`), which runs our jobs: made by its own SQL, in our own migrations.

They stand in the schema of our tables: so a job can be added in the transaction of whoever adds it without a
`search_path` of its own, and the role that migrates needs no right it doesn't need anyway.

The SQL is the installed package's, and only one that this module knows is run: a migration must do tomorrow what it
does today. For a version with other tables, give `SCHEMA` its digest, and add a migration that calls
`bring_up_to_date`.
"""

import hashlib
import re
from pathlib import Path

from sqlalchemy import Connection, text

SCHEMA = "c70ec4b400a60ad9592787653aae5ae77ae41bf801d56b5bd2712751a07f2009"  # SHA-256 of its schema.sql
PREFIX = "procrastinate_"


class UnknownJobTables(RuntimeError):
    """The installed procrastinate is not one that this version of Outdial was made for."""


class JobTablesTaken(RuntimeError):
    """Another program keeps its jobs here."""


def create(connection: Connection) -> None:
    """All of them, of the installed version; that is noted beside them, for `bring_up_to_date`.

    Raises UnknownJobTables, and JobTablesTaken when somebody else's stand there.
    """
    if connection.scalar(text("SELECT to_regclass('procrastinate_jobs')")) is not None:
        raise JobTablesTaken(
            "this database has tables of procrastinate that aren't Outdial's; give Outdial a database of its own "
            "(OUTDIAL_DATABASE_URL), or another schema (a search_path for its role)"
        )
    connection.execute(text(_escaped(known_schema())))
    _note(connection)


def bring_up_to_date(connection: Connection) -> None:
    """Run the package's own steps that these tables haven't seen. Of tables that were just made there are none.

    Raises UnknownJobTables.
    """
    known_schema()
    noted = connection.scalar(text("SELECT obj_description('procrastinate_jobs'::regclass, 'pg_class')"))
    for step in steps():
        if step.stem > (noted or ""):
            connection.execute(text(_escaped(step.read_text(encoding="utf-8"))))
    _note(connection)


def drop(connection: Connection) -> None:
    """All of them, with their types and functions."""
    kinds = {
        "TABLE": "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relname",
        "FUNCTION": "SELECT oid::regprocedure::text FROM pg_proc WHERE proname",
        "TYPE": "SELECT oid::regtype::text FROM pg_type WHERE typelem = 0 AND typname",
    }
    for kind, query in kinds.items():
        mine = text(f"{query} ^@ :prefix AND {_NAMESPACE[kind]} = current_schema()::regnamespace")
        for name in connection.scalars(mine, {"prefix": PREFIX}).all():
            connection.execute(text(f"DROP {kind} {name} CASCADE"))


def known_schema() -> str:
    """The SQL of the installed package. Raises UnknownJobTables when it isn't the one that SCHEMA tells of."""
    sql = (_folder() / "schema.sql").read_text(encoding="utf-8")
    if hashlib.sha256(sql.encode()).hexdigest() != SCHEMA:
        raise UnknownJobTables(
            "the installed procrastinate makes other tables than the one this version of Outdial was made for; "
            "install Outdial with the versions in its requirements/run.txt"
        )
    return sql


def steps() -> list[Path]:
    """The package's migrations, in their order."""
    return sorted((_folder() / "migrations").glob("*.sql"))


def _folder() -> Path:
    import procrastinate  # of all that starts, few migrate, and it takes a while

    return Path(procrastinate.__file__).parent / "sql"


def _note(connection: Connection) -> None:
    connection.execute(text(f"COMMENT ON TABLE procrastinate_jobs IS '{steps()[-1].stem}'"))


def _escaped(sql: str) -> str:
    """As `text` takes it: what follows a colon is the name of a parameter there."""
    return re.sub(r"(?<!:):(?=\w)", r"\\:", sql)


_NAMESPACE = {"TABLE": "relnamespace", "FUNCTION": "pronamespace", "TYPE": "typnamespace"}
