import html
import json
import re
from dataclasses import replace

import httpx
import pytest

from outdial.accounts.access import open_number_control
from outdial.accounts.simulated import simulated_accounts
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.simulator.server import SimulatorConfig, serve
from outdial.workspaces.access import Role
from simulated_accounts import FIRST


@pytest.fixture
async def operator(browser_of):
    return await browser_of(Role.OPERATOR)


async def test_the_page_asks_for_what_each_carrier_wants(operator):
    page = (await operator.get("/phone-numbers/connect")).text
    for kind in CARRIERS.values():
        fields = re.search(rf'<template data-fields-of="{kind.name}">(.*?)</template>', page, re.DOTALL).group(1)
        for field in kind.credential_fields:
            name = rf'name="credentials\.{field.name}"'
            control = re.search(rf"<(?:input|textarea|select)[^>]* {name}[^>]*>", fields).group(0)
            assert 'autocomplete="off"' in control
            assert ('type="password"' in control) == (field.secret and not field.multiline)
            assert field.where
            assert html.escape(field.where, quote=False).replace("'", "&#39;") in fields
    assert "On the simulator" not in page


async def test_only_operators_may_connect(editor, viewer):
    for browser in (editor, viewer):
        assert (await browser.get("/phone-numbers/connect")).status_code == 403


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_what_the_page_sends_is_checked_and_connected(operator, accounts_at_carriers, carrier):
    asked = {"carrier": carrier, "e164": FIRST, "credentials": accounts_at_carriers.credentials[carrier]}
    check = (await operator.post("/v1/phone-numbers/check", json=asked)).json()
    assert check["problems"] == []
    assert check["changes"]
    connected = await operator.post("/v1/phone-numbers", json={**asked, "name": "Second"})
    assert connected.status_code == 201
    assert "Second" in (await operator.get("/phone-numbers")).text


async def test_without_a_simulator_nothing_is_simulated(operator, accounts_at_carriers):
    credentials = accounts_at_carriers.credentials[CarrierName("twilio")]
    asked = {"carrier": "twilio", "e164": FIRST, "credentials": credentials, "simulated": True}
    for path in ("/v1/phone-numbers/check", "/v1/phone-numbers"):
        answer = await operator.post(path, json=asked)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "simulated"


async def test_a_simulator_that_is_gone_is_not_offered(app, services, operator):
    settings = services.settings.model_copy(update={"simulator_url": "http://127.0.0.1:9"})
    app.state.services = replace(services, settings=settings)
    page = await operator.get("/phone-numbers/connect")
    assert page.status_code == 200
    assert "On the simulator" not in page.text


async def test_on_the_simulator_the_published_credentials_connect_each_carrier(app, services, browser_of):
    async with serve(SimulatorConfig()) as simulator:
        settings = services.settings.model_copy(update={"simulator_url": simulator.base_url})
        app.state.services = replace(services, settings=settings, open_number_control=open_number_control)
        operator = await browser_of(Role.OPERATOR)
        page = (await operator.get("/phone-numbers/connect")).text
        offered = json.loads(html.unescape(re.search(r'data-simulated="([^"]*)"', page).group(1)))
        assert set(offered) == set(CARRIERS)
        for carrier, account in offered.items():
            asked = {
                "carrier": carrier,
                "e164": account["numbers"][0],
                "credentials": account["credentials"],
                "simulated": True,
            }
            assert (await operator.post("/v1/phone-numbers/check", json=asked)).json()["problems"] == []
            assert (await operator.post("/v1/phone-numbers", json=asked)).status_code == 201
        again = (await operator.get("/phone-numbers/connect")).text
        left = json.loads(html.unescape(re.search(r'data-simulated="([^"]*)"', again).group(1)))
        assert all(len(left[carrier]["numbers"]) == len(offered[carrier]["numbers"]) - 1 for carrier in left)


async def test_there_is_no_account_where_there_is_no_simulator():
    with pytest.raises(httpx.HTTPError):
        await simulated_accounts("http://127.0.0.1:9")
