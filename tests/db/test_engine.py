import psycopg
import pytest
from sqlalchemy import bindparam, select, text
from sqlalchemy.dialects.postgresql import JSONB

from outdial.db.engine import connection_url, create_engine


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
async def test_every_usual_scheme_is_understood(scheme):
    engine = create_engine(f"{scheme}://user:secret@db.example/outdial")
    assert (engine.dialect.name, engine.dialect.driver) == ("postgresql", "psycopg")


@pytest.mark.parametrize("url", ["mysql://localhost/x", "sqlite://", "nonsense", ""])
def test_other_databases_are_refused_without_repeating_the_url(url):
    with pytest.raises(ValueError, match=r"PostgreSQL|postgresql") as refused:
        create_engine(url)
    assert not url or url not in str(refused.value)


async def test_a_session_has_our_name_and_limits(engine):
    async with engine.connect() as connection:
        for name, value in {"application_name": "outdial", "statement_timeout": "30s", "lock_timeout": "10s"}.items():
            assert await connection.scalar(text(f"SHOW {name}")) == value


async def test_the_options_of_the_url_are_kept(database_url):
    engine = create_engine(f"{database_url}&options=-c%20work_mem%3D8MB&application_name=mine")
    async with engine.connect() as connection:
        assert await connection.scalar(text("SHOW work_mem")) == "8MB"
        assert await connection.scalar(text("SHOW application_name")) == "mine"
        assert await connection.scalar(text("SHOW lock_timeout")) == "10s"
    await engine.dispose()


async def test_json_goes_there_and_back(engine):
    value = {"name": "Zoë", "list": [1, 2.5, None, True], "nested": {"a": []}}
    async with engine.connect() as connection:
        assert await connection.scalar(select(bindparam("value", value, type_=JSONB))) == value


@pytest.mark.parametrize(
    "number",
    [1e15, 1e15 + 0.125, 1e16, -1e16, 1.2345678901234567e18, 1.2345678901234567e19, 1e22, 1e300, 1.7976931348623157e308,
     1e-7, 5e-324, 0.1, 0.0, 2**53 + 1, 2**63 - 1, -(2**63)],
)  # fmt: skip
async def test_a_number_comes_back_as_what_it_was(engine, number):
    value = {"number": number, "looks like one": "call_1e9", "in": [{"a": [number]}]}
    async with engine.connect() as connection:
        back = await connection.scalar(select(bindparam("value", value, type_=JSONB)))
    assert back == value
    assert type(back["number"]) is type(back["in"][0]["a"][0]) is type(number)


async def test_a_pooled_connection_that_the_server_closed_is_replaced_unnoticed(engine, database_url):
    async with engine.connect() as connection:
        first = await connection.scalar(text("SELECT pg_backend_pid()"))
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [first])
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT pg_backend_pid()")) != first


def test_a_dedicated_connection_takes_the_same_url(database_url):
    with psycopg.connect(connection_url(database_url)) as connection:
        assert connection.execute("SHOW application_name").fetchone() == ("outdial",)
