"""How many requests a key may make, in time that the tests pass."""

import pytest

from outdial.api.request_rate import RequestRate
from outdial.settings import Settings
from outdial.workspaces.access import Role, Scope
from outdial.workspaces.api_keys import Authenticator, create_api_key
from outdial.workspaces.audit import COMMAND_LINE

CALL = {"to": "+15551234567"}


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(app):
    """The clock of this server's limit, which is that of a server that isn't set otherwise."""
    clock = Clock()
    app.state.request_rate = RequestRate(Settings().max_requests_per_s, clock=clock)
    return clock


async def statuses(client, number, method="GET", path="/v1/workspace", **request):
    return [(await client.request(method, path, **request)).status_code for _ in range(number)]


async def test_a_key_makes_a_hundred_requests_at_once_and_fifty_a_second(client, clock):
    assert await statuses(client, 101) == [200] * 100 + [429]
    for _ in range(3):
        clock.now_s += 1
        assert await statuses(client, 51) == [200] * 50 + [429]
    clock.now_s += 3600
    assert await statuses(client, 101) == [200] * 100 + [429]


async def test_who_is_refused_is_told_when_to_come_back(client, clock):
    await statuses(client, 100)
    answer = await client.get("/v1/workspace")
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert answer.headers["retry-after"] == "1"
    assert "at most 50 a second, and 100 at once" in answer.json()["message"]
    clock.now_s += int(answer.headers["retry-after"])
    assert (await client.get("/v1/workspace")).status_code == 200


async def test_every_request_counts_whatever_becomes_of_it(client, clock, tenant, engine):
    reader = await create_api_key(engine, tenant.workspace_id, name="R", scope=Scope.READ, by=COMMAND_LINE)
    url = f"/v1/phone-number/{tenant.number_id}/outbound"
    replayed = {"json": CALL, "headers": {"Idempotency-Key": "once"}}
    assert await statuses(client, 20, "POST", url, **replayed) == [200] * 20
    assert await statuses(client, 20, "POST", url, json={}) == [422] * 20
    assert await statuses(client, 20, "GET", "/v1/calls/call_none/events") == [404] * 20
    assert await statuses(client, 20, "PATCH", "/v1/workspace", json={"lines": 1}) == [403] * 20
    assert await statuses(client, 20, "HEAD", "/v1/calls") == [200] * 20
    assert await statuses(client, 1, "POST", url, **replayed) == [429]
    assert await statuses(client, 1, headers={"Authorization": reader["key"]}) == [200]  # another key's are its own


async def test_a_call_that_is_refused_for_the_rate_is_not_placed_and_may_be_asked_for_again(client, clock, tenant):
    url = f"/v1/phone-number/{tenant.number_id}/outbound"
    once = {"json": CALL, "headers": {"Idempotency-Key": "once"}}
    await statuses(client, 100)
    assert await statuses(client, 1, "POST", url, **once) == [429]
    clock.now_s += 1
    assert (await client.get("/v1/calls")).json()["calls"] == []
    assert await statuses(client, 1, "POST", url, **once) == [200]


async def test_people_are_not_counted(browser_of, clock):
    assert await statuses(await browser_of(Role.VIEWER), 150) == [200] * 150


async def test_unknown_keys_from_one_address_are_told_to_wait_and_known_ones_are_not(app, client, clock, engine):
    app.state.authenticator = Authenticator(engine, clock=clock)
    assert await statuses(client, 1) == [200]
    guesses = [{"Authorization": f"od_guess{n}"} for n in range(101)]
    told = [(await client.get("/v1/workspace", headers=guess)).status_code for guess in guesses]
    assert told == [401] * 100 + [429]
    answer = await client.get("/v1/workspace", headers={"Authorization": "od_another"})
    assert (answer.json()["code"], answer.headers["retry-after"]) == ("rate_limited", "1")
    assert await statuses(client, 1, headers={"Authorization": "no key"}) == [401]
    assert await statuses(client, 1, headers=guesses[0]) == [401]  # known to be none
    clock.now_s += 5
    assert await statuses(client, 1) == [200]
