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
