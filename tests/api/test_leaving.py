"""Clients that go away in the middle."""

import asyncio
import logging

import pytest

from api.wire import Wire
from outdial.api.callbacks import callbacks_router
from outdial.callbacks.inbox import Received


class Inbox:
    async def receive(self, **request):
        return Received.STORED


@pytest.mark.parametrize(
    "request_line",
    [
        "POST /callbacks/twilio/att_0/status",
        "POST /callbacks/twilio/accounts/acct_0/inbound",
        "POST /v1/phone-number/num_0/outbound",
        "POST /v1/agents",
    ],
)
async def test_a_client_that_leaves_in_mid_body_writes_no_line(app, tenant, request_line, caplog):
    app.include_router(callbacks_router(Inbox(), Inbox(), "https://voice.example"))
    caplog.set_level(logging.INFO)
    wire = Wire(app)
    head = f"{request_line} HTTP/1.1\r\nHost: x\r\nAuthorization: {tenant.key}\r\nContent-Type: application/json\r\n"
    wire.send(head.encode() + b"Content-Length: 900\r\n\r\n{")
    tasks = set(wire.protocol.tasks)
    await asyncio.sleep(0.1)
    wire.leave()
    async with asyncio.timeout(30):
        await asyncio.gather(*tasks)
    assert [record.getMessage() for record in caplog.records if not record.name.startswith("httpx")] == []
