"""Alerts over HTTP: what is raised, rules and their undo, who is told."""

from dataclasses import replace

import pytest
from pydantic import SecretStr
from sqlalchemy import insert

from alerts.mail_server import SENDER, Mails, mail_server
from outdial.alerts.evaluate import evaluate
from outdial.alerts.rule import Kind
from outdial.db.spend_tables import model_spend, spend_limits


async def rule(client, rule_id):
    rules = (await client.get("/v1/alerts/rules")).json()["rules"]
    return next((each for each in rules if each["id"] == rule_id), None)


async def test_every_workspace_has_a_rule_of_each_kind_switched_on(client):
    rules = (await client.get("/v1/alerts/rules")).json()["rules"]
    assert [each["id"] for each in rules] == list(Kind)
    assert all(each["enabled"] and each["default"] and not each["changed"] and not each["undo"] for each in rules)


async def test_a_change_of_a_rule_is_undone_and_done_again(client):
    url = "/v1/alerts/rules/failure_share"
    assert (await client.post(f"{url}/undo")).json()["code"] == "nothing_to_undo"
    changed = (await client.patch(url, json={"threshold": 0.3, "code": "no_funds"})).json()
    assert [changed[name] for name in ("threshold", "code", "window_min", "undo")] == [0.3, "no_funds", 30, True]
    for expected in (0.2, 0.3, 0.2):
        assert (await client.post(f"{url}/undo")).json()["threshold"] == expected
    assert (await client.patch(url, json={"enabled": False})).json()["enabled"] is False
    assert (await client.delete(url)).json()["changed"] is False
    assert (await client.post(f"{url}/undo")).json()["enabled"] is False
    entries = (await client.get("/v1/audit-log?act=alert_rule")).json()["entries"]
    assert [each["act"].partition(".")[2] for each in reversed(entries)] == [
        "changed", "undone", "undone", "undone", "changed", "changed", "undone",
    ]  # fmt: skip
    assert entries[-1]["details"] == {
        "threshold": 0.3, "code": "no_funds", "before": {"threshold": 0.2, "code": None},
    }  # fmt: skip


async def test_a_rule_is_added_removed_and_brought_back(client):
    wanted = {"kind": "failure_share", "code": "blocked", "threshold": 0.05}
    added = await client.post("/v1/alerts/rules", json=wanted)
    assert (added.status_code, added.json()["window_min"], added.json()["default"]) == (201, 30, False)
    rule_id = added.json()["id"]
    url = f"/v1/alerts/rules/{rule_id}"
    assert (await client.delete(url)).status_code == 200
    assert await rule(client, rule_id) is None
    for gone in (await client.patch(url, json={"threshold": 0.1}), await client.delete(url)):
        assert (gone.status_code, gone.json()["code"]) == (404, "alert_rule_not_found")
    assert (await client.post(f"{url}/undo")).json()["threshold"] == 0.05
    assert await rule(client, rule_id) is not None
    await client.post(f"{url}/undo")
    assert await rule(client, rule_id) is None


async def test_rules_are_not_added_without_end(client):
    answers = [await client.post("/v1/alerts/rules", json={"kind": "spend_day"}) for _ in range(51)]
    assert [each.status_code for each in answers] == [201] * 50 + [409]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "moon_phase"}, "kind"),
        ({"kind": "number_health"}, "kind"),
        ({"kind": "answer_rate", "threshold": 2}, "threshold"),
        ({"kind": "answer_rate", "window_min": 5}, "window_min"),
        ({"kind": "answer_rate", "sound": "gong"}, "sound"),
        ({"kind": "failure_share", "code": "bad_hair"}, "code"),
        ({"kind": "answer_rate", "threshold": "0.5"}, "threshold"),
    ],
)
async def test_a_rule_that_can_not_be_is_refused_by_its_field(client, body, field):
    refused = await client.post("/v1/alerts/rules", json=body)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)


async def test_alerts_are_listed_page_by_page_and_got(client, engine, tenant):
    for _ in range(2):
        await client.post("/v1/alerts/rules", json={"kind": "spend_day", "threshold": 1})
    async with engine.begin() as conn:
        await conn.execute(insert(spend_limits).values(workspace_id=tenant.workspace_id, dollars=10))
        now = (await conn.exec_driver_sql("SELECT now()")).scalar_one()
        spent = {"workspace_id": tenant.workspace_id, "day": now.date(), "tokens": 5, "estimated_tokens": 0}
        await conn.execute(insert(model_spend).values(spent | {"dollars": 9}))
    assert (await evaluate(engine, mail=False, now=now)).raised == 3
    first = (await client.get("/v1/alerts?state=raised&limit=2")).json()
    rest = (await client.get(f"/v1/alerts?limit=2&cursor={first['next_cursor']}")).json()
    found = first["alerts"] + rest["alerts"]
    assert (len(found), len({each["id"] for each in found}), rest["next_cursor"]) == (3, 3, None)
    assert (await client.get(f"/v1/alerts/{found[0]['id']}")).json() == found[0]
    assert (await client.get("/v1/alerts?state=cleared")).json()["alerts"] == []
    assert (await client.get("/v1/alerts/alert_x")).json()["code"] == "alert_not_found"
    assert (await client.get("/v1/alerts?cursor=alert_x")).status_code == 422


async def test_who_is_told_is_changed_field_by_field(client):
    plain = (await client.get("/v1/alerts/notices")).json()
    assert (plain["emails"], plain["quiet"], plain["time_zone"], plain["email"]) == (None, None, "UTC", False)
    quiet = {"starts": "22:00", "ends": "07:00"}
    await client.patch("/v1/alerts/notices", json={"emails": ["ops@example.com"]})
    changed = (await client.patch("/v1/alerts/notices", json={"quiet": quiet, "time_zone": "Europe/Vienna"})).json()
    assert (changed["addresses"], changed["quiet"]) == (["ops@example.com"], quiet)
    assert changed["time_zone"] == "Europe/Vienna"
    assert (await client.patch("/v1/alerts/notices", json={"emails": []})).json()["addresses"] == []
    assert (await client.patch("/v1/alerts/notices", json={"quiet": None})).json()["quiet"] is None
    entries = (await client.get("/v1/audit-log?act=alert_notices")).json()["entries"]
    assert len(entries) == 4
    assert "example.com" not in str(entries)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"emails": ["ops"]}, "emails[0]"),
        ({"quiet": {"starts": "25:00", "ends": "07:00"}}, "quiet.starts"),
        ({"quiet": {"starts": "07:00", "ends": "07:00"}}, "quiet.ends"),
        ({"time_zone": "Moon/Sea"}, "time_zone"),
    ],
)
async def test_nobody_is_told_at_no_time(client, body, field):
    refused = await client.patch("/v1/alerts/notices", json=body)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)


async def test_a_test_says_what_became_of_each_address(client, app):
    assert (await client.post("/v1/alerts/test")).json()["code"] == "no_mail_server"
    mails = Mails()
    mails.answers["gone@example.com"] = "550 No such user here"
    async with mail_server(mails) as port:
        services = app.state.services
        mail = {"smtp_url": SecretStr(f"smtp+plain://127.0.0.1:{port}"), "smtp_sender": SENDER}
        app.state.services = replace(services, settings=services.settings.model_copy(update=mail))
        await client.patch("/v1/alerts/notices", json={"emails": ["ops@example.com", "gone@example.com"]})
        tested = await client.post("/v1/alerts/test")
        again = await client.post("/v1/alerts/test")
    assert (again.status_code, again.json()["code"]) == (429, "tested_just_now")
    assert tested.json() == {
        "sent": False,
        "addresses": [
            {"address": "ops@example.com", "error": None},
            {"address": "gone@example.com", "error": "The mail server refused the address (550)."},
        ],
    }
    assert [mail["To"] for mail in mails.got] == ["ops@example.com"]
