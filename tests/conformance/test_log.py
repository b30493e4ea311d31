"""What the log tells of all these calls: nothing about people, no secret, and no error."""

import json
import re

import pytest_asyncio
from sqlalchemy import select

from end_to_end.conftest import Log
from end_to_end.world import World
from outdial.db.tables import turns


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def texts(world: World, outcomes: object) -> set[str]:
    """Everything that was said."""
    async with world.outdial.services.engine.connect() as conn:
        return {text for text in (await conn.execute(select(turns.c.text))).scalars() if len(text) > 8}


def test_the_log_is_about_these_calls(texts: set[str], log: Log):
    assert any("Dial outcome unknown" in line for line in log.lines)
    assert len(texts) > 10


def test_the_log_names_no_phone_number(outcomes: object, log: Log):
    assert not [line for line in log.lines if re.search(r"\+?1(?:202|555)\d{7}", line)]


def test_the_log_has_no_word_of_a_conversation(texts: set[str], log: Log):
    everything = "\n".join(log.lines)
    assert not [text for text in texts if text in everything]


def test_the_log_holds_no_secret(world: World, outcomes: object, log: Log):
    everything = "\n".join(log.lines)
    vonage, telnyx = world.config.vonage, world.config.telnyx
    secrets = {world.config.auth_token, vonage.api_secret, vonage.signature_secret, telnyx.api_key}
    for secret in secrets | {customer.key for customer in world.customers}:
        assert secret not in everything
    assert not re.search(r"/media/\w+/att_", everything)  # a stream's URL ends in its token
    assert "signature=" not in everything.lower()


def test_the_log_has_no_error(outcomes: object, log: Log):
    lines = [json.loads(line) for line in log.lines]
    errors = [line for line in lines if line["level"] in ("error", "critical") or "exception" in line]
    # Some situations have an agent that can't be read, which whoever runs Outdial has to hear of.
    assert {line["message"] for line in errors} <= {"Agent not read", "Agent's code is broken"}
