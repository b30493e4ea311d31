from base64 import b64encode

import pytest
from sqlalchemy import update

from callbacks.told import BOX, CONTROL_ID, TELNYX, TOKEN, inbox_of
from outdial.callbacks.inbox import Inbox
from outdial.db.tables import carrier_accounts


@pytest.fixture
async def inbox(workspace) -> Inbox:
    """Takes what a Twilio account signs with its token."""
    async with workspace.engine.begin() as conn:
        credentials = BOX.encrypt({"account_sid": "AC1", "auth_token": TOKEN})
        await conn.execute(update(carrier_accounts).values(credentials=credentials))
    return inbox_of(workspace)


@pytest.fixture
async def claim(workspace):
    await workspace.queue()
    (claim,) = await workspace.claim()
    return claim


@pytest.fixture
async def telnyx_inbox(workspace, inbox, claim):
    """The same attempt, of an account at a carrier that reads no answers and tells what a call cost."""
    public_key = b64encode(TELNYX.public_key().public_bytes_raw()).decode()
    credentials = BOX.encrypt({"api_key": "KEY1", "public_key": public_key})
    async with workspace.engine.begin() as conn:
        await conn.execute(update(carrier_accounts).values(carrier="telnyx", credentials=credentials))
    await workspace.set_attempt(claim.attempt_id, carrier="telnyx", carrier_call_id=CONTROL_ID)
    return inbox
