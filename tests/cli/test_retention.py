"""outdial retention, and what doctor says of it."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, insert

from outdial.cli.check_database import retention
from outdial.cli.findings import Status
from outdial.db.engine import create_engine, put_away
from outdial.db.tables import retention_runs, sign_in_failures


@pytest.fixture
def store(database_url):
    def store(table, **columns):
        async def run():
            engine = create_engine(database_url)
            async with engine.begin() as conn:
                await conn.execute(insert(table).values(**columns))
            await put_away(engine)

        asyncio.run(run())

    return store


@pytest.fixture
def _an_old_row(store):
    at = func.now() - timedelta(hours=3)
    store(sign_in_failures, subject=b"1", failures=1, last_at=at, wait_until=at)


@pytest.mark.usefixtures("_an_old_row")
def test_what_would_go_is_counted_and_then_goes(outdial, outdial_json):
    assert outdial_json("retention", "run", "--dry-run")["sign_in_failures"] == 1
    assert "would go" in outdial("retention", "run", "--dry-run").stdout
    assert outdial_json("retention", "show")["last_run"] is None
    assert outdial_json("retention", "run")["sign_in_failures"] == 1
    assert outdial_json("retention", "run")["sign_in_failures"] == 0
    assert outdial_json("retention", "show")["last_run"]["removed"]["sign_in_failures"] == 0


def test_how_long_each_table_is_kept_is_shown_with_its_setting(outdial, outdial_json, monkeypatch):
    monkeypatch.setenv("OUTDIAL_KEEP_CALLBACKS_DAYS", "0")
    rows = {row["table"]: row for row in outdial_json("retention", "show")["kept"]}
    assert rows["callbacks"]["kept_days"] is None
    assert rows["call_events"]["kept_days"] == 365
    assert rows["call_events"]["setting"] == "OUTDIAL_KEEP_CALL_EVENTS_DAYS"
    assert rows["sign_in_failures"]["setting"] is None
    shown = outdial("retention", "show").stdout
    assert "for ever" in shown
    assert "It has not been cleared yet." in shown


def test_days_of_a_workspace_are_tried_set_shown_and_undone(outdial, outdial_json):
    workspace = outdial_json("workspaces", "create", "Clinic")["id"]
    (rule,) = outdial_json("retention", "show")["rules"]
    assert (rule["workspace"], rule["agent"], rule["recordings_days"]) == (workspace, None, 90)
    tried = outdial_json("retention", "set", "--recordings", "5", "--dry-run")
    assert tried == {"recordings": 0, "transcripts": 0, "details": 0, "callbacks": 0}
    assert outdial_json("retention", "show")["rules"] == [rule]
    changed = outdial_json("retention", "set", "--recordings", "5", "--callbacks", "3")
    assert (changed["recordings_days"], changed["transcripts_days"], changed["callbacks_days"]) == (5, 365, 3)
    assert outdial_json("retention", "undo")["recordings_days"] == 90
    assert "90" in outdial("retention", "show").stdout


@pytest.mark.parametrize(("days", "status"), [(2, Status.WARN), (0.1, Status.OK)])
async def test_doctor_says_when_it_was_done_last_and_warns_when_that_is_long_ago(engine, days, status):
    assert (await retention(engine)).status is Status.OK
    at = func.now() - timedelta(days=days)
    async with engine.begin() as conn:
        await conn.execute(
            insert(retention_runs).values(started_at=at, finished_at=at, removed={"callbacks": 3, "sign_ins": 4})
        )
    found = await retention(engine)
    assert (found.status, "7 rows" in found.found) == (status, True)
