import pytest


async def test_it_shows_lines_and_today(client):
    seen = (await client.get("/v1/overview", params={"time_zone": "Europe/Vienna"})).json()
    assert seen["lines"]["lines"] == 15
    assert seen["today"]["outbound"] == 0
    assert seen["today"]["since"].endswith(("T22:00:00Z", "T23:00:00Z"))


async def test_it_follows_the_calls_that_are_placed(client, tenant):
    await client.post(f"/v1/phone-number/{tenant.number_id}/outbound", json={"to": "+15551230001"})
    seen = (await client.get("/v1/overview")).json()
    assert seen["queue"]["waiting"] == 1
    assert (seen["today"]["outbound"], seen["today"]["dialled"]) == (1, 0)


async def test_an_unknown_time_zone_is_422(client):
    answer = await client.get("/v1/overview", params={"time_zone": "Nowhere"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "time_zone"


@pytest.mark.parametrize(("days", "intervals"), [(1, 24), (7, 7), (30, 30)])
async def test_it_tells_of_one_day_a_week_or_a_month(client, tenant, days, intervals):
    await client.post(f"/v1/phone-number/{tenant.number_id}/outbound", json={"to": "+15551230001"})
    period = (await client.get("/v1/overview", params={"days": days, "time_zone": "Asia/Kolkata"})).json()["period"]
    assert (period["days"], period["time_zone"], period["outbound"], period["unended"]) == (days, "Asia/Kolkata", 1, 1)
    assert len(period["intervals"]) == intervals
    assert period["answer_rate"] is None
    assert period["carriers"] == []


@pytest.mark.parametrize("days", ["0", "2", "31", "-7", "week", "7.5", ""])
async def test_other_days_are_422(client, days):
    answer = await client.get("/v1/overview", params={"days": days})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "days"
