import logging

import pytest
from sqlalchemy import text

from outdial.db.engine import create_engine
from outdial.db.trouble import tell_trouble

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
