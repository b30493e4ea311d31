"""Over HTTP: the verdicts of a call, who it truly was, how two detectors compare."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from outdial.calls.advance import apply_event
from outdial.clock import now
from outdial.db.detection_tables import detections
from outdial.db.tables import attempts, calls
from outdial.retention.erase_call import erase_call
from outdial.telephony.verdict import AnsweredBy, Verdict
from outdial.workspaces.audit import COMMAND_LINE
from outdial.workspaces.secrets import SecretBox
from personal import told_call


@pytest.fixture
async def both(engine, settings, tenant, tmp_path):
    """The id of a call that two detectors have judged, each in its way."""
    told = await told_call(engine, tmp_path, tenant.workspace_id, tenant.number_id, settings, "+12025550166")
    async with engine.begin() as conn:
        answered = {"answered_at": now(), "audio_started_at": now()}
        await conn.execute(update(attempts).values(answered))
        await conn.execute(update(calls).values(detection={"by": "both"}, answered_by=None))
    beep = "beep at 6.2 s, 1000 Hz"
    for verdict in (
        Verdict(answered_by=AnsweredBy.HUMAN, at=now(), evidence=("twilio:human",)),
        Verdict(
            answered_by=AnsweredBy.MACHINE, at=now(), evidence=(beep,), is_ours=True, revises=True,
            heard_ms={beep: 6200}, detection_ms=6700,
        ),
    ):  # fmt: skip
        await apply_event(engine, told.attempt_id, verdict)
    return told.call_id


async def test_both_are_told_compared_and_judged(client, both):
    path = f"/v1/calls/{both}"
    verdicts = (await client.get(f"{path}/verdicts")).json()
    assert [(each["by"], each["category"]) for each in verdicts["verdicts"]] == [
        ("carrier", "human"), ("local", "machine"),
    ]  # fmt: skip
    assert verdicts["verdicts"][1]["evidence"] == [{"text": "beep at 6.2 s, 1000 Hz", "heard_at_ms": 6200}]
    assert (await client.get(path)).json()["answered_by"]["category"] == "machine"
    (one,) = (await client.get("/v1/who-answered/calls")).json()["calls"]
    assert (one["call_id"], one["local"], one["carrier_said"], one["truth"]) == (both, "machine", "human", None)
    label = (await client.put(f"{path}/truth", json={"category": "machine"})).json()
    assert label["truth"]["category"] == "machine"
    found = (await client.get("/v1/who-answered")).json()
    assert found["all"]["confusion"] == [{"local": "machine", "carrier": "human", "calls": 1}]
    assert found["all"]["labelled"]["carrier"]["machines_as_people"]["share"] == 1
    assert found["all"]["labelled"]["local"]["wrong"]["calls"] == 0
    lines = (await client.get("/v1/who-answered/calls.csv", params={"which": "both"})).text.splitlines()
    assert (len(lines), lines[1].startswith(f"{both},1,")) == (2, True)
    assert (await client.delete(f"{path}/truth")).json() == {"call_id": both, "truth": None}
    log = (await client.get("/v1/audit-log?act=truth")).json()["entries"]
    assert [entry["act"] for entry in log] == ["truth.taken_back", "truth.set"]


async def test_figures_stay_when_the_call_is_erased(client, both, engine, tenant):
    await client.put(f"/v1/calls/{both}/truth", json={"category": "machine"})
    before = (await client.get("/v1/who-answered?until=2099-01-01T00:00:00Z&since=2020-01-01T00:00:00Z")).json()
    await erase_call(engine, lambda: SecretBox("a key"), tenant.workspace_id, both, by=COMMAND_LINE)
    assert (await client.get("/v1/who-answered?until=2099-01-01T00:00:00Z&since=2020-01-01T00:00:00Z")).json() == before
    (one,) = (await client.get("/v1/who-answered/calls")).json()["calls"]
    assert one["party"] == "erased"


async def test_without_a_period_the_list_goes_back_as_far_as_the_figures(client, both, engine):
    async with engine.begin() as conn:
        await conn.execute(update(detections).values(at=now() - timedelta(days=31)))
    every, csv = "/v1/who-answered/calls?which=both", "/v1/who-answered/calls.csv?which=both"
    assert (await client.get(every)).json()["calls"] == []
    assert len((await client.get(csv)).text.splitlines()) == 1
    assert (await client.get("/v1/who-answered")).json()["all"]["both"] == 0
    for more in ("since=2020-01-01T00:00:00Z", f"until={(now() - timedelta(days=30)).strftime('%Y-%m-%dT%H:%M:%SZ')}"):
        (one,) = (await client.get(f"{every}&{more}")).json()["calls"]
        assert one["call_id"] == both
        assert len((await client.get(f"{csv}&{more}")).text.splitlines()) == 2


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("/v1/who-answered?since=yesterday", "since"),
        ("/v1/who-answered?until=0001-01-02T00:00:00Z", "until"),
        ("/v1/who-answered/calls?which=some", "which"),
        ("/v1/who-answered/calls?until=0001-01-02T00:00:00Z", "until"),
        ("/v1/who-answered/calls.csv?until=0001-01-02T00:00:00Z", "until"),
        ("/v1/who-answered/calls?cursor=x", "cursor"),
        ("/v1/who-answered/calls.csv?local=dog&carrier_said=human", "local"),
        ("/v1/who-answered/calls?local=human", ""),
        ("/v1/who-answered?since=2026-02-01T00:00:00Z&until=2026-01-01T00:00:00Z", "since"),
        ("/v1/who-answered?since=2099-01-01T00:00:00Z", "since"),
        ("/v1/who-answered/calls?since=2026-02-01T00:00:00Z&until=2026-01-01T00:00:00Z", ""),
        ("/v1/who-answered/calls.csv?since=2026-02-01T00:00:00Z&until=2026-02-01T00:00:00Z", ""),
        ("/v1/who-answered/calls?carrier=acme", "carrier"),
        ("/v1/who-answered/calls.csv?carrier=acme", "carrier"),
    ],
)
async def test_what_is_wrong_is_named(client, query, field):
    answer = await client.get(query)
    assert answer.status_code == 422
    assert field in answer.json()["errors"][0]["field"]


async def test_a_label_is_a_category_of_a_call_of_ours(client, both):
    assert (await client.put(f"/v1/calls/{both}/truth", json={"category": "dog"})).status_code == 422
    assert (await client.put("/v1/calls/call_none/truth", json={"category": "human"})).status_code == 404
    assert (await client.get("/v1/calls/call_none/verdicts")).status_code == 404
