"""A database as 0.1.0 left it, with calls in every state, comes through every migration whole.

`upgrade/v0_1_0.sql` is that database (its tables as text, so that they are 0.1.0's whatever the code is now) and
`upgrade/v0_1_0.json` what 0.1.0's API told of it. Neither ever changes; how they were made: upgrade/make_dump.py.

Whoever changes the schema adds here what the change makes of these rows: a test of its own, and, where a column or an
answer is meant to be another one than in 0.1.0, a line in CHANGED_COLUMNS or CHANGED_ANSWERS.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

import outdial.db.migrate as migrate
from call_counts import KINDS, check_counts, kept_charges, kept_ends, read_books
from db.whole_database import Rows, lost, read_rows, schema_of
from outdial.accounts.clients import Accounts
from outdial.accounts.genuine import Genuine
from outdial.api.app import create_api
from outdial.api.services import Services
from outdial.callbacks.inbox import Inbox
from outdial.calls.claim import claim_due_calls
from outdial.calls.ownership import take_over
from outdial.db.embedded import EmbeddedPostgres
from outdial.db.engine import create_engine, put_away
from outdial.db.notify import Notifications
from outdial.members.sign_in import sign_in
from outdial.recordings.recordings import Recordings
from outdial.settings import Settings
from outdial.workspaces.secrets import SecretBox
from seats import give_seats

FOLDER = Path(__file__).parent / "upgrade"
KNOWN: dict[str, Any] = json.loads((FOLDER / "v0_1_0.json").read_text())
REVISION = "0001"  # 0.1.0's
RESTORED, UPGRADED, COPY = "restored_0_1", "upgraded_0_1", "copy_of_upgraded_0_1"

# What a later version keeps otherwise than 0.1.0 did, on purpose: "table.column": why. A table that is gone: "table".
CHANGED_COLUMNS: dict[str, str] = {
    "calls.priority": "nobody could set it",
    "calls.variables": "what was sent, alone; what was noted is in calls.noted",
    "calls.sent_variables": "calls.variables are these",
}
# The same for the API: the path through an answer ("attempts.price"; lists have no numbers): why.
CHANGED_ANSWERS: dict[str, str] = {
    "variables": "what was sent, alone; what was noted is in noted",
    "sent_variables": "variables are these",
}


# Who may have ended a call, by its end reason.
BY: dict[str, set[str | None]] = {
    "completed": {"callee", "operator", "limit", None},
    "busy": {"callee"},
    "declined": {"callee", "system"},
    "no_answer": {"limit"},
    "expired": {"limit"},
    "canceled": {"operator", "callee"},
    "machine": {"agent"},
    "failed": {"carrier", "system"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """The rows of 0.1.0, and what became of them."""

    before: Rows
    after: Rows


@pytest.fixture(scope="module")
def upgrade(postgres: EmbeddedPostgres) -> Iterator[Upgrade]:
    """Makes RESTORED, which stays 0.1.0's, and UPGRADED."""
    make(postgres, RESTORED)
    with psycopg.connect(postgres.url(RESTORED), autocommit=True) as connection:
        connection.execute((FOLDER / "v0_1_0.sql").read_text())
        before = read_rows(connection)
    make(postgres, UPGRADED, template=RESTORED)
    upgrade_it(postgres, UPGRADED)
    with psycopg.connect(postgres.url(UPGRADED), autocommit=True) as connection:
        after = read_rows(connection)
    yield Upgrade(before=before, after=after)
    drop(postgres, UPGRADED)
    drop(postgres, RESTORED)


@pytest.fixture
def upgraded_url(postgres: EmbeddedPostgres, upgrade: Upgrade) -> str:
    """The upgraded database, for tests that read."""
    return postgres.url(UPGRADED)


@pytest.fixture
async def upgraded(upgraded_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(upgraded_url)
    yield engine
    await put_away(engine)


@pytest.fixture
async def copy(postgres: EmbeddedPostgres, upgrade: Upgrade) -> AsyncIterator[AsyncEngine]:
    """A copy of the upgraded database, for a test that changes it."""
    make(postgres, COPY, template=UPGRADED)
    engine = create_engine(postgres.url(COPY))
    yield engine
    await put_away(engine)
    drop(postgres, COPY)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, public_url=KNOWN["public_url"])


@pytest.fixture
def secret_box() -> SecretBox:
    return SecretBox(KNOWN["secret_key"])


@pytest.fixture
async def client_of(upgraded: AsyncEngine, upgraded_url: str, settings: Settings, secret_box: SecretBox):
    """The API over the upgraded database, asked with the key of a workspace by its name."""
    async with Notifications(upgraded_url) as notifications:
        api = create_api(
            Services(
                engine=upgraded,
                settings=settings,
                notifications=notifications,
                secret_box=secret_box,
                recordings=Recordings(settings.data_dir),
            )
        )

        @asynccontextmanager
        async def client_of(workspace: str) -> AsyncIterator[httpx.AsyncClient]:
            headers = {"Authorization": KNOWN["api_keys"][workspace]}
            transport = httpx.ASGITransport(api)
            async with httpx.AsyncClient(transport=transport, base_url=KNOWN["public_url"], headers=headers) as client:
                yield client

        yield client_of


# -- the schema ----------------------------------------------------------------------------------------------


async def test_the_first_migration_makes_the_tables_that_0_1_had(postgres, upgrade, empty_database_url):
    """A migration that was released never changes: there are databases that have run it."""
    engine = create_engine(empty_database_url)
    await migrate.upgrade(engine, REVISION)
    await put_away(engine)
    assert upgrade.before["alembic_version"] == {"": {"version_num": REVISION}}
    assert schema_of(empty_database_url) == schema_of(postgres.url(RESTORED))


async def test_an_upgraded_database_has_exactly_the_tables_of_this_version(upgraded, upgraded_url, database_url):
    assert await migrate.is_current(upgraded)
    assert await migrate.differences(upgraded) == []
    assert schema_of(upgraded_url) == schema_of(database_url)  # what Alembic doesn't compare, too


# -- the rows ------------------------------------------------------------------------------------------------


def test_every_row_of_0_1_is_still_there_and_says_the_same(upgrade):
    changed = CHANGED_COLUMNS.keys() | {"alembic_version"}
    for table in upgrade.before.keys() - changed:
        assert upgrade.after[table].keys() >= upgrade.before[table].keys(), f"{table}: rows were lost"
        for key, row in upgrade.before[table].items():
            kept = {name: value for name, value in row.items() if f"{table}.{name}" not in changed}
            now = upgrade.after[table][key]
            assert {name: now.get(name, "no such column") for name in kept} == kept, f"{table} {key}"


def test_there_is_a_call_of_every_kind_in_the_dump(upgrade):
    """What the other tests prove, they prove for these."""
    calls, attempts = upgrade.before["calls"].values(), upgrade.before["attempts"].values()
    live = {"dialing", "ringing", "in_progress"}
    assert {call["state"] for call in calls} == {"queued", "ended"} | live
    assert {attempt["state"] for attempt in attempts} == {"ended"} | live
    assert {attempt["carrier"] for attempt in attempts} == {"twilio", "vonage", "telnyx"}
    ends = {"completed", "busy", "no_answer", "declined", "failed", "canceled", "machine", "expired"}
    assert {call["end_reason"] for call in calls} == ends | {None}
    answers = {(call["answered_by"] or {}).get("category") for call in calls}
    assert answers == {"human", "machine", "fax", "unknown", None}
    assert any(attempt["unknown_since"] for attempt in attempts)
    assert any(call["deferrals"] for call in calls)
    assert any(call["variables"].get("do_not_call") is True for call in calls)
    assert any(call["number_id"] is None for call in calls)
    for table, rows in upgrade.before.items():
        assert rows, f"{table} is empty"


def test_what_was_noted_stands_beside_what_was_sent(upgrade):
    kinds = Counter[str]()
    for key, before in upgrade.before["calls"].items():
        call, sent = upgrade.after["calls"][key], before["sent_variables"]
        assert call["variables"] == (before["variables"] if sent is None else sent), key
        assert {**call["variables"], **call["noted"]} == before["variables"], key
        assert not any(call["variables"].get(name, call) == value for name, value in call["noted"].items()), key
        kinds["untold" if sent is None else "noted" if call["noted"] else "nothing noted"] += 1
        kinds["do not call"] += call["noted"].get("do_not_call") is True
    assert min(kinds[kind] for kind in ("untold", "noted", "nothing noted", "do not call")) > 0


async def test_going_back_to_0_1_tells_as_it_did_what_was_sent_and_what_was_noted(upgrade, copy, postgres):
    await migrate.downgrade(copy, REVISION)
    with psycopg.connect(postgres.url(COPY), autocommit=True) as connection:
        after = read_rows(connection)
    for key, before in upgrade.before["calls"].items():
        call = after["calls"][key]
        assert call["variables"] == before["variables"], key
        assert (call["sent_variables"] or call["variables"]) == (before["sent_variables"] or before["variables"]), key


def test_stored_calls_say_who_ended_them_and_what_came_of_them_where_that_can_be_known(upgrade):
    turns = {(turn["call_id"], turn["speaker"]) for turn in upgrade.before["turns"].values() if turn["text"]}
    told = {(event["call_id"], event["type"]) for event in upgrade.before["call_events"].values()}
    ended = {key: call for key, call in upgrade.after["calls"].items() if call["state"] == "ended"}
    for key, call in ended.items():
        reason, by, outcome, noted = call["end_reason"], call["ended_by"], call["outcome"], call["noted"]
        assert by in BY[reason], (key, reason, by)
        assert by is not None or reason == "completed", key  # whoever hung up first was not kept
        broke = (call["error"] or {}).get("code") in ("agent_failed", "speech_failed")
        if call["answered_at"] is None or broke:
            assert outcome is None, key
        elif noted.get("do_not_call") is True:
            assert outcome == "do_not_call", key
        elif outcome == "silent":
            assert {(key, "callee"), (key, "digit")}.isdisjoint(turns | told), key
            assert (key, "agent") in turns, key
        elif isinstance(noted.get("outcome"), str):
            assert outcome == noted["outcome"] or (key, "transfer_failed") in told, key
        elif outcome == "left_message":
            assert call["message_delivered"], key
        elif outcome in ("transferred", "transfer_failed"):
            assert (key, outcome) in told, key
        else:
            assert outcome is None or (outcome, by) == ("hung_up_early", "callee"), key
    kinds = Counter(call["outcome"] for call in ended.values())
    assert {"do_not_call", "silent", "confirmed", "left_message", "hung_up_early", None} <= kinds.keys(), kinds
    unended = [call for key, call in upgrade.after["calls"].items() if key not in ended]
    assert {(call["ended_by"], call["outcome"], call["callee_responded"]) for call in unended} == {(None, None, None)}


def test_the_keys_that_there_were_may_do_what_they_did(upgrade):
    keys = upgrade.after["api_keys"]
    assert keys.keys() >= upgrade.before["api_keys"].keys()
    assert {key["scope"] for key in keys.values()} == {"operator"}


async def test_stored_calls_are_counted_and_what_they_took_and_cost(upgraded):
    async with upgraded.connect() as conn:
        there_are = await check_counts(conn)
        books = await read_books(conn)
    ends, charges = kept_ends(books), kept_charges(books, by_day=False)
    assert {kind[3] for kind in there_are} == {"queued", "ended"}
    assert {kind for _, _, kind in ends} == set(KINDS)
    currencies = {currency for _, _, _, currency in charges}
    assert None in currencies, "no answered call without a price"
    assert currencies - {None}, "no price"


# -- the product reads it ------------------------------------------------------------------------------------


@pytest.mark.parametrize("workspace", KNOWN["answers"])
async def test_the_api_tells_of_everything_what_it_told_in_0_1(client_of, workspace):
    async with client_of(workspace) as client:
        for path, told in KNOWN["answers"][workspace].items():
            answer = (await client.get(path)).raise_for_status().json()
            assert list(lost(told, answer, changed=CHANGED_ANSWERS)) == [], path


@pytest.mark.parametrize(
    "path",
    [
        "/v1/overview",
        "/v1/agents",
        "/v1/agents/examples",
        "/v1/api-keys",
        "/v1/calls.csv",
        "/v1/calls?words=appointment",
        "/v1/calls?state=unknown",
        "/v1/calls?state=in_progress&answered_by=human",
        "/v1/calls?end_reason=failed&end_reason=machine&limit=3",
    ],
)
async def test_lists_and_searches_work_on_an_upgraded_database(client_of, path):
    async with client_of("Clinic") as client:
        response = await client.get(path)
        assert response.status_code == 200
        answer = response.json() if "json" in response.headers["content-type"] else response.text
        assert answer.get("calls", answer) if isinstance(answer, dict) else answer


async def test_each_call_is_in_the_list_and_its_callbacks_can_be_read(client_of, upgrade):
    known = {path for path in KNOWN["answers"]["Clinic"] if path.startswith("/v1/calls/")}
    kept = Counter(
        upgrade.before["attempts"][callback["attempt_id"]]["call_id"]
        for callback in upgrade.before["callbacks"].values()
    )
    async with client_of("Clinic") as client:
        listed = (await client.get("/v1/calls?limit=200")).json()["calls"]
        assert {f"/v1/calls/{call['id']}" for call in listed} == known
        for call in listed:
            answer = (await client.get(f"/v1/calls/{call['id']}/callbacks")).raise_for_status().json()
            assert len(answer["callbacks"]) == kept[call["id"]]


async def test_a_person_signs_in_with_the_password_they_had(copy):
    browser = {"address": "192.0.2.1", "user_agent": "Firefox"}
    assert await sign_in(copy, email=KNOWN["email"], password=KNOWN["password"], **browser)


async def test_the_credentials_of_every_carrier_account_can_be_used(upgrade, upgraded, secret_box):
    accounts = Accounts(upgraded, secret_box)
    for account_id in upgrade.before["carrier_accounts"]:
        await accounts.carrier(account_id)
    await accounts.aclose()


# -- and goes on with it -------------------------------------------------------------------------------------


async def test_calls_that_waited_are_dialled(upgrade, copy):
    clinic = id_of_workspace(upgrade.before, "Clinic")
    waiting = {key: call for key, call in upgrade.before["calls"].items() if of_queue(call, clinic)}
    due = {key for key, call in waiting.items() if call["due_at"] < "2099"}
    late = {key for key in due if (waiting[key]["expires_at"] or "3") < "2099"}
    assert len(due) > 3
    assert late
    claimed = set()
    async with copy.begin() as conn:  # as many lines as it takes, and no pace
        await conn.execute(text("UPDATE calls SET due_at = now() WHERE state = 'queued' AND due_at < '2099-01-01'"))
        await conn.execute(text("UPDATE carrier_accounts SET calls_per_second = 1000"))
        await conn.execute(text("UPDATE pools SET lines = 100"))
    await give_seats(copy)
    while (admitted := await claim_due_calls(copy, clinic, owner="worker_new", lease_s=60)).claims:
        claimed |= {claim.call_id for claim in admitted.claims}
    assert claimed == due - late
    async with copy.connect() as conn:
        ended = await conn.execute(text("SELECT id FROM calls WHERE end_reason = 'expired'"))
        assert {row.id for row in ended} > late


async def test_callbacks_that_nobody_had_looked_at_are_worked_through(copy, settings, secret_box):
    async def no_carrier(account_id: str) -> Any:
        raise AssertionError("no carrier is asked")

    unhandled = text("SELECT attempt_id FROM callbacks WHERE handled_at IS NULL")
    async with copy.connect() as conn:
        [attempt_id, repeated] = (await conn.execute(unhandled)).scalars()
    assert repeated == attempt_id
    inbox = Inbox(copy, settings, Genuine(copy, secret_box), no_carrier)
    working = asyncio.create_task(inbox.run())
    async with asyncio.timeout(30), copy.connect() as conn:
        while (await conn.execute(unhandled)).all():  # noqa: ASYNC110 - what has been handled is announced nowhere
            await asyncio.sleep(0.01)
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working
    async with copy.connect() as conn:
        state = "SELECT a.state, c.answered_by ->> 'category' FROM attempts a JOIN calls c ON c.id = a.call_id"
        row = (await conn.execute(text(f"{state} WHERE a.id = :id"), {"id": attempt_id})).one()
    assert tuple(row) == ("in_progress", "human")


async def test_calls_of_the_process_that_ran_0_1_are_taken_over(upgrade, copy):
    assert await take_over(copy, "worker_new", lease_s=60)
    attempts = upgrade.before["attempts"].items()
    live = {key for key, attempt in attempts if attempt["state"] != "ended" and attempt["owner"]}
    async with copy.connect() as conn:
        ours = await conn.execute(text("SELECT id FROM attempts WHERE owner = 'worker_new' AND state <> 'ended'"))
        assert {row.id for row in ours} == live


def test_wishes_that_stored_calls_hold_are_on_the_do_not_call_list(upgrade):
    wished = {
        (call["workspace_id"], call["from" if call["direction"] == "inbound" else "to"])
        for call in upgrade.before["calls"].values()
        if call["variables"].get("do_not_call") is True
    }
    assert wished
    entries = upgrade.after["do_not_call"].values()
    assert {(entry["workspace_id"], entry["number"]) for entry in entries} == wished
    for entry in entries:
        call = upgrade.before["calls"][entry["call_id"]]
        assert (entry["source"], entry["created_at"], entry["actor_kind"]) == ("upgrade", call["ended_at"], None)


def test_wishes_are_taken_in_once_for_each_number_whoever_called_whom(postgres, upgrade):
    make(postgres, COPY, template=RESTORED)
    with psycopg.connect(postgres.url(COPY), autocommit=True) as connection:
        connection.execute(
            """UPDATE calls SET variables = '{"do_not_call": true}', direction = 'inbound', "from" = f
            FROM (SELECT id, (ARRAY['anonymous', '+442071838750', '+0', '+442071838750'])[row_number() OVER ()] AS f
                  FROM calls WHERE state = 'ended' LIMIT 4) AS four WHERE calls.id = four.id"""
        )
        connection.execute("""UPDATE calls SET variables = '{"do_not_call": "true"}' WHERE state = 'in_progress'""")
    upgrade_it(postgres, COPY)
    with psycopg.connect(postgres.url(COPY)) as connection:
        numbers = connection.execute("SELECT number FROM do_not_call WHERE number LIKE '+44%' OR number !~ '^[+]1'")
        assert numbers.fetchall() == [("+442071838750",)]
    drop(postgres, COPY)


def test_workspaces_may_call_where_they_have_numbers_and_have_called_and_have_no_daily_limit(upgrade):
    rows = upgrade.after["destinations"].values()
    with_numbers = {number["workspace_id"] for number in upgrade.before["numbers"].values()}
    assert {row["workspace_id"] for row in rows if row["source"] == "number"} == with_numbers
    assert {row["destination"] for row in rows} == {"US"}
    assert {workspace["daily_limit"] for workspace in upgrade.after["workspaces"].values()} == {None}
    assert upgrade.after["counted_calls"] == {}


def test_what_was_called_and_what_scripts_name_may_be_called_after_the_upgrade(postgres, upgrade):
    called = {  # with the country that it brings
        "+442079460115": "GB", "+447797712345": "JE", "+18765550115": "JM", "+14160550115": "CA", "+4930123456": "DE",
        "+15551234567": None, "+19005551234": None, "+491801234567": None, "+881612345678": None, "+999123456789": None,
    }  # fmt: skip
    make(postgres, COPY, template=RESTORED)
    with psycopg.connect(postgres.url(COPY), autocommit=True) as connection:
        connection.execute("DELETE FROM numbers WHERE e164 LIKE '%9'")
        connection.execute(
            """UPDATE calls SET "to" = number, direction = 'outbound', "from" = '+12025550100'
            FROM (SELECT id, (CAST(%s AS text[]))[row_number() OVER ()] AS number
                  FROM calls WHERE state = 'ended' LIMIT %s) AS ended WHERE calls.id = ended.id""",
            [list(called), len(called)],
        )
        connection.execute(
            """UPDATE agent_versions SET source = 'say: Hello' || chr(10) || 'transfer: "+33142345678"'
            WHERE version = (SELECT published_version FROM agents WHERE id = agent_id)"""
        )
    upgrade_it(postgres, COPY)
    with psycopg.connect(postgres.url(COPY)) as connection:
        rows = connection.execute("SELECT destination FROM destinations WHERE source = 'upgrade'")
        brought = {row[0] for row in rows}
    assert brought - {"US"} == {country for country in called.values() if country} | {"FR"}
    drop(postgres, COPY)


def test_who_speaks_first_stays_as_it_was(postgres, upgrade):
    with psycopg.connect(postgres.url(UPGRADED)) as connection:
        rows = connection.execute("SELECT DISTINCT greet FROM agent_versions").fetchall()
    assert rows == [("at_once",)]


# -- inside --------------------------------------------------------------------------------------------------


def make(postgres: EmbeddedPostgres, name: str, *, template: str = "template1") -> None:
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        connection.execute(create)


def upgrade_it(postgres: EmbeddedPostgres, name: str) -> None:
    async def run() -> None:
        engine = create_engine(postgres.url(name))
        await migrate.upgrade(engine)
        await put_away(engine)

    asyncio.run(run())


def drop(postgres: EmbeddedPostgres, name: str) -> None:
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def id_of_workspace(rows: Rows, name: str) -> str:
    [workspace_id] = [key for key, workspace in rows["workspaces"].items() if workspace["name"] == name]
    return workspace_id


def of_queue(call: Mapping[str, Any], workspace_id: str) -> bool:
    return call["state"] == "queued" and call["workspace_id"] == workspace_id


def test_stored_calls_belong_to_nobody_s_trace(upgrade):
    assert {call["traceparent"] for call in upgrade.after["calls"].values()} == {None}
