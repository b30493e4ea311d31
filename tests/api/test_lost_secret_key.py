"""Credentials that can't be read any more are no error of ours: the API says what to give."""

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import update

from outdial.api import problems
from outdial.db.tables import carrier_accounts
from outdial.simulator.server import SimulatorConfig
from outdial.workspaces.secrets import SecretBox, WrongSecretKey
from simulated_accounts import FIRST, SECOND

SIMULATED = SimulatorConfig()
CREDENTIALS = {"account_sid": SIMULATED.account_sid, "auth_token": SIMULATED.auth_token}
NUMBER = {"carrier": "twilio", "e164": FIRST, "credentials": CREDENTIALS}


@pytest.fixture
async def number(client, engine):
    """Of an account whose key is lost."""
    number = (await client.post("/v1/phone-numbers", json=NUMBER)).json()
    async with engine.begin() as conn:
        lost = SecretBox("a lost key").encrypt(CREDENTIALS)
        await conn.execute(update(carrier_accounts).values(credentials=lost))
    return number


@pytest.fixture
async def url(client, number):
    listed = (await client.get("/v1/carrier-accounts")).json()["carrier_accounts"]
    (account_id,) = (each["id"] for each in listed if [its["id"] for its in each["numbers"]] == [number["id"]])
    return f"/v1/carrier-accounts/{account_id}"


async def test_credentials_are_given_whole_and_the_pace_without_them(client, url):
    part = await client.patch(url, json={"credentials": {"next_auth_token": "next"}})
    assert (part.status_code, part.json()["errors"][0]["field"]) == (422, "credentials")
    assert "auth_token" in part.json()["message"]
    assert (await client.patch(url, json={"calls_per_second": 2})).json()["calls_per_second"] == 2
    assert (await client.patch(url, json={"credentials": CREDENTIALS})).status_code == 200
    assert (await client.patch(url, json={"credentials": {"next_auth_token": "next"}})).status_code == 200


async def test_a_number_can_be_removed(client, number):
    removed = await client.delete(f"/v1/phone-numbers/{number['id']}")
    assert (removed.status_code, removed.json()["carrier"]) == (200, "left")
    assert "Twilio wasn't told" in removed.json()["message"]


async def test_a_second_number_waits_for_the_credentials(client, url):
    second = NUMBER | {"e164": SECOND}
    unreadable = await client.post("/v1/phone-numbers", json=second)
    assert (unreadable.status_code, unreadable.json()["code"]) == (503, "credentials_unreadable")
    assert (await client.patch(url, json={"credentials": CREDENTIALS})).status_code == 200
    assert (await client.post("/v1/phone-numbers", json=second)).status_code == 201


async def test_wherever_else_they_are_needed_it_is_503_with_what_to_do():
    app = FastAPI()
    problems.install(app)

    @app.get("/")
    async def needs_credentials() -> None:
        raise WrongSecretKey

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://voice.example") as client:
        answer = await client.get("/")
    assert (answer.status_code, answer.json()["code"]) == (503, "credentials_unreadable")
    assert answer.headers["Retry-After"] == "60"
    assert "outdial accounts change" in answer.json()["message"]
