import logging

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

import virtual_time
from outdial.db.engine import create_engine
from outdial.db.trouble import outlast, tell_trouble

logger = logging.getLogger(__name__)
SENTENCE = "Queue not read; trying again"


async def test_a_database_that_is_away_makes_one_line_for_each_sentence(caplog):
    engine = create_engine("postgresql://nobody@127.0.0.1:9/nowhere")
    for _ in range(50):
        for sentence in (SENTENCE, "Sweep failed; trying again"):
            with pytest.raises(Exception, match="refused") as away:
                async with engine.connect() as conn:
                    await conn.execute(text("SELECT 1"))
            tell_trouble(engine, logger, sentence, away.value, call_id="call_1")
    assert [(record.message, record.levelname) for record in caplog.records if record.name == __name__] == [
        (SENTENCE, "WARNING"),
        ("Sweep failed; trying again", "WARNING"),
    ]
    assert caplog.records[-1].exc_info is None


async def test_a_fault_is_told_each_time_and_whole(engine, caplog):
    for _ in range(2):
        tell_trouble(engine, logger, SENTENCE, ValueError("a bug"), call_id="call_1")
    assert [(record.message, record.levelname, record.call_id) for record in caplog.records] == 2 * [
        (SENTENCE, "ERROR", "call_1")
    ]
    assert all(record.exc_info is not None for record in caplog.records)


class Start:
    """A step of one that fails with `errors`, one after the other, and then succeeds."""

    def __init__(self, *errors):
        self.errors = list(errors)

    async def __call__(self):
        if self.errors:
            raise self.errors.pop(0)
        return "up"


def away(reason):
    return OperationalError("SELECT 1", {}, Exception(reason))


def test_a_start_outlasts_a_database_that_is_away_and_says_what_it_waits_for():
    told = []
    step = Start(
        away("connection refused"), away("the database system is starting up"), ConnectionRefusedError("unreachable")
    )
    assert virtual_time.run(outlast(step, told.append)) == "up"
    assert told == [
        "Waiting for the database (connection refused)",
        "Waiting for the database (the database system is starting up)",
        "Waiting for the database (unreachable)",
    ]


def test_a_start_waits_no_longer_than_its_patience_and_for_nothing_else():
    with pytest.raises(OperationalError):
        virtual_time.run(outlast(Start(*(away("refused") for _ in range(100))), lambda _: None, patience_s=5))
    with pytest.raises(ValueError, match="a bug"):
        virtual_time.run(outlast(Start(ValueError("a bug")), lambda _: None))
