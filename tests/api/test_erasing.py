"""Erasing over HTTP: who may, and what is answered."""

import pytest

from outdial.workspaces.access import Role, Scope
from outdial.workspaces.api_keys import create_api_key
from outdial.workspaces.audit import COMMAND_LINE
from personal import WORDS, found_in_database, told_call

TO = "+12025550166"


@pytest.fixture
async def told(engine, settings, tenant, tmp_path):
    return await told_call(engine, tmp_path, tenant.workspace_id, tenant.number_id, settings, TO)


async def test_a_call_is_erased_and_looked_at_afterwards(client, told, engine):
    answer = await client.delete(f"/v1/calls/{told.call_id}")
    assert (answer.status_code, answer.json()["call_id"]) == (200, told.call_id)
    call = (await client.get(f"/v1/calls/{told.call_id}")).json()
    assert (call["to"], call["variables"], call["transcript"]) == ("erased", {}, [])
    assert call["erased_at"] == answer.json()["erased_at"]
    assert await found_in_database(engine, *WORDS) == []
    missing = await client.get(f"/v1/calls/{told.call_id}/recording")
    assert missing.json()["code"] == "no_recording"


async def test_a_call_that_goes_on_is_refused(client, tenant):
    placed = await client.post(f"/v1/phone-number/{tenant.number_id}/outbound", json={"to": TO})
    refused = await client.delete(f"/v1/calls/{placed.json()['call_id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "call_not_ended")
    assert (await client.delete("/v1/calls/call_gone")).status_code == 404


async def test_a_number_is_looked_for_erased_and_the_erasure_listed(client, told, engine):
    found = (await client.post("/v1/erase/preview", json={"number": "+1 (202) 555-0166"})).json()
    assert found == {"calls": 1, "waiting": 0, "live": 0, "transfers": 0, "on_do_not_call_list": False}
    done = (await client.post("/v1/erase", json={"number": TO})).json()
    assert (done["calls"], done["number"], done["finished_at"] is not None) == (1, "+120…66", True)
    assert await found_in_database(engine, TO, TO.lstrip("+")) == []
    assert (await client.get("/v1/erasures")).json()["erasures"] == [done]
    assert (await client.get(f"/v1/erasures/{done['id']}")).json() == done
    assert (await client.get("/v1/erasures/erase_x")).json()["code"] == "erasure_not_found"
    assert (await client.post("/v1/erase", json={"number": "1"})).status_code == 422


@pytest.mark.parametrize("scope", [Scope.PLACE_CALLS, Scope.READ])
async def test_smaller_keys_erase_nothing(client, engine, tenant, told, scope):
    key = (await create_api_key(engine, tenant.workspace_id, name="x", by=COMMAND_LINE, scope=scope))["key"]
    headers = {"Authorization": key}
    for asked in (client.delete(f"/v1/calls/{told.call_id}", headers=headers),
                  client.post("/v1/erase", json={"number": TO}, headers=headers)):  # fmt: skip
        assert (await asked).json()["code"] == "scope_too_small"
    assert await found_in_database(engine, TO) != []


async def test_editors_erase_nothing(told, browser_of):
    editor = await browser_of(Role.EDITOR)
    assert (await editor.delete(f"/v1/calls/{told.call_id}")).json()["code"] == "role_too_low"
    operator = await browser_of(Role.OPERATOR)
    assert (await operator.delete(f"/v1/calls/{told.call_id}")).status_code == 200
