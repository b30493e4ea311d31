"""What load balancers are told. While the database is away: tests/test_database_away.py."""

from dataclasses import replace

import httpx
import pytest

from outdial.api.app import create_api
from outdial.db import storing
from outdial.db.engine import create_engine, put_away
from outdial.db.tables import calls
from refusing_tables import refuse_rows

BODY = {"to": "+12025550123"}


@pytest.fixture
def url(tenant):
    return f"/v1/phone-number/{tenant.number_id}/outbound"


async def test_red_while_calls_can_not_be_stored_and_green_again_after_that(client, engine, url, monkeypatch):
    assert (await client.get("/readyz")).status_code == 200
    await refuse_rows(engine, calls)
    assert (await client.post(url, json=BODY)).status_code == 503
    red = await client.get("/readyz")
    assert (red.status_code, "stores nothing" in red.json()["message"]) == (503, True)
    assert (await client.get("/healthz")).status_code == 200
    monkeypatch.setattr(storing, "REMEMBERED_S", 0)
    assert (await client.get("/readyz")).status_code == 200


async def test_green_after_a_request_that_was_refused_for_its_own_fault(client, url):
    assert (await client.post(url, json={"to": "nobody"})).status_code == 422
    assert (await client.get("/readyz")).status_code == 200


async def test_red_on_a_database_that_can_only_be_read(services, database_url):
    readable = create_engine(f"{database_url}&options=-c%20default_transaction_read_only%3Don")
    transport = httpx.ASGITransport(create_api(replace(services, engine=readable)))
    async with httpx.AsyncClient(transport=transport, base_url="https://voice.example") as client:
        red = await client.get("/readyz")
    await put_away(readable)
    assert (red.status_code, "can only be read" in red.json()["message"]) == (503, True)
