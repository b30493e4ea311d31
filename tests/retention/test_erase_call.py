"""One call erased: by content, in every column of every table, and every file."""

import json
from functools import partial

import pytest
from sqlalchemy import Text, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import JSONB

from outdial.calls.enqueue import create_call
from outdial.calls.events import last_entry
from outdial.calls.request import OutboundRequest
from outdial.calls.results import Result, enter_recording, save_result
from outdial.db.tables import (
    attempts,
    audit_log,
    call_counts,
    call_events,
    calls,
    do_not_call,
    idempotency_keys,
    metadata,
    turns,
)
from outdial.db.webhook_tables import webhook_events
from outdial.history.views import get_call
from outdial.live.left_behind import deliver_left
from outdial.live.removals import Removals
from outdial.policy.erased_entries import knows_number
from outdial.refusals import Conflict, NotFound
from outdial.retention.erase_call import erase_call, forget_late_job
from outdial.workspaces.audit import COMMAND_LINE
from outdial.workspaces.secrets import SecretBox
from personal import OTHER_NUMBER, WORDS, found_in_database, found_in_files, told_call
from tenants import make_tenant

TO = "+12025550166"
BOX = partial(SecretBox, "a key")
TRACES = (*WORDS, TO, TO.lstrip("+"))


@pytest.fixture
async def tenant(engine):
    return await make_tenant(engine)


@pytest.fixture
async def told(engine, settings, tenant, tmp_path):
    return await told_call(engine, tmp_path, tenant.workspace_id, tenant.number_id, settings, TO)


async def counts(engine):
    """As they sum up, whatever rows they are kept in."""
    c = call_counts.c
    query = select(c.state, c.end_reason, c.outcome, c.category, func.sum(c.calls)).group_by(
        c.state, c.end_reason, c.outcome, c.category
    )
    async with engine.connect() as conn:
        return {tuple(row) for row in await conn.execute(query) if row[-1]}


async def test_nothing_personal_is_left_of_an_erased_call_anywhere(engine, tenant, told, tmp_path):
    before = await found_in_database(engine, *TRACES)
    assert {place.partition(".")[0] for place in before} >= {
        "calls", "attempts", "call_events", "turns", "call_commands", "callbacks", "wrap_ups", "webhook_events",
        "webhook_deliveries", "idempotency_keys",
    }  # fmt: skip
    assert len(found_in_files(tmp_path, *TRACES)) == 4
    counted = await counts(engine)
    await erase_call(engine, BOX, tenant.workspace_id, told.call_id, by=COMMAND_LINE)
    assert await found_in_database(engine, *TRACES, OTHER_NUMBER) == []
    assert await Removals(engine, tmp_path).remove() == 2
    assert found_in_files(tmp_path, *TRACES) == []
    assert await counts(engine) == counted


async def test_the_call_stays_with_its_times_end_counts_and_price(engine, tenant, told):
    async with engine.connect() as conn:
        before = await get_call(conn, tenant.workspace_id, told.call_id, base_url="")
    answer = await erase_call(engine, BOX, tenant.workspace_id, told.call_id, by=COMMAND_LINE)
    async with engine.connect() as conn:
        after = await get_call(conn, tenant.workspace_id, told.call_id, base_url="")
    stays = (
        "id", "state", "end_reason", "ended_by", "outcome", "from", "created_at", "answered_at", "ended_at",
        "duration_s", "answered_by", "agent",
    )  # fmt: skip
    assert {name: after[name] for name in stays} == {name: before[name] for name in stays}
    assert (after["to"], after["variables"], after["noted"], after["metadata"]) == ("erased", {}, {}, None)
    assert (after["transcript"], after["recording_url"], after["summary"]) == ([], None, None)
    assert after["error"]["code"] == "network_failure"
    assert (after["attempts"][0]["price"], after["transfers"][0]["result"]) == ("0.013", "answered")
    assert after["erased_at"] == answer["erased_at"]
    assert None not in (after["transcript_erased_at"], after["recording_erased_at"])
    assert answer["recording"] is True
    assert (before["erased_at"], before["recording_erased_at"]) == (None, None)


async def test_erasing_again_is_harmless_and_told_once(engine, tenant, told):
    first = await erase_call(engine, BOX, tenant.workspace_id, told.call_id, by=COMMAND_LINE)
    again = await erase_call(engine, BOX, tenant.workspace_id, told.call_id, by=COMMAND_LINE)
    assert again["erased_at"] == first["erased_at"]
    async with engine.connect() as conn:
        acts = (await conn.scalars(select(audit_log.c.act).where(audit_log.c.subject_id == told.call_id))).all()
    assert acts == ["erasure.call"]


@pytest.mark.parametrize("state", ["queued", "dialing", "ringing", "in_progress"])
async def test_a_call_that_has_not_ended_is_not_erased(engine, tenant, told, state):
    async with engine.begin() as conn:
        await conn.execute(update(calls).values(state=state))
    with pytest.raises(Conflict) as refused:
        await erase_call(engine, BOX, tenant.workspace_id, told.call_id, by=COMMAND_LINE)
    assert refused.value.code == "call_not_ended"
    assert await found_in_database(engine, WORDS[0]) != []


async def test_what_is_still_being_written_down_is_waited_for(engine, tenant, told):
    async with engine.begin() as conn:
        await conn.execute(update(attempts).values(result_at=None))
    with pytest.raises(Conflict) as refused:
        await erase_call(engine, BOX, tenant.workspace_id, told.call_id, by=COMMAND_LINE)
    assert "still being written" in refused.value.message
    async with engine.begin() as conn:  # whose process is dead has left it on its disk by then
        await conn.execute(update(attempts).values(ended_at=func.now() - text("interval '20 minutes'")))
    await erase_call(engine, BOX, tenant.workspace_id, told.call_id, by=COMMAND_LINE)


async def test_a_call_of_another_workspace_is_not_found(engine, told):
    other = await make_tenant(engine)
    with pytest.raises(NotFound):
        await erase_call(engine, BOX, other.workspace_id, told.call_id, by=COMMAND_LINE)


async def test_what_a_dead_process_left_on_its_disk_is_not_written_into_an_erased_call(
    engine, tenant, told, tmp_path
):
    async with engine.begin() as conn:
        await conn.execute(update(attempts).values(result_at=None, ended_at=func.now() - text("interval '1 hour'")))
    await erase_call(engine, BOX, tenant.workspace_id, told.call_id, by=COMMAND_LINE)
    removals = Removals(engine, tmp_path)
    await removals.remove()
    result = Result(noted={"x": WORDS[0]}, recording=None, message_delivered=None, transferred=False)
    words = {"seq": 0, "speaker": "callee", "text": WORDS[1], "start_ms": 0, "end_ms": 1}
    entries = [
        {"number": 1, "turn": {**words, "interrupted": False, "latency": None}},
        {"number": 2, "type": "said", "data": {"text": WORDS[0]}},
    ]
    content = {
        "attempt_id": told.attempt_id,
        "call_id": told.call_id,
        "attempt_number": 1,
        "first_seq": 0,
        "journal": entries,
        "result": result.to_json() | {"recording": f"recordings/{tenant.workspace_id}/{told.call_id}.wav"},
    }
    spool = tmp_path / "spool" / "worker_dead"
    spool.mkdir(parents=True)
    (spool / "lock").touch()
    (spool / f"{told.attempt_id}.json").write_text(json.dumps(content))
    told.recording.with_name(f"{told.call_id}.wav").write_bytes(WORDS[0].encode())
    assert await deliver_left(engine, tmp_path) == 1
    removals.begin_again()
    await removals.remove()
    assert await found_in_database(engine, *TRACES) == []
    assert found_in_files(tmp_path, *TRACES) == []
    async with engine.connect() as conn:
        assert await conn.scalar(select(calls.c.recording)) is None
        assert await last_entry(conn, told.call_id, 1) is None


async def test_a_recording_found_later_is_not_entered(engine, tenant, told):
    await erase_call(engine, BOX, tenant.workspace_id, told.call_id, by=COMMAND_LINE)
    await enter_recording(engine, told.call_id, "recordings/x/y.wav")
    result = Result(noted={}, recording="recordings/x/y.wav", message_delivered=None, transferred=False)
    async with engine.begin() as conn:
        await conn.execute(update(attempts).values(result_at=None))
    await save_result(engine, told.attempt_id, told.call_id, result)
    async with engine.connect() as conn:
        assert await conn.scalar(select(calls.c.recording)) is None


async def test_a_request_sent_again_with_its_key_rings_nobody(engine, settings, tenant, told):
    async with engine.begin() as conn:
        await conn.execute(update(idempotency_keys).values(key="mine"))
    await erase_call(engine, BOX, tenant.workspace_id, told.call_id, by=COMMAND_LINE)
    ask = {"workspace_id": tenant.workspace_id, "number_id": tenant.number_id, "idempotency_key": "mine"}
    with pytest.raises(Conflict) as refused:
        await create_call(engine, settings, request=OutboundRequest(to=TO), **ask)
    assert refused.value.code == "idempotency_conflict"


async def test_what_was_put_together_for_an_endpoint_while_it_was_erased_goes_a_minute_later(engine, tenant, told):
    await erase_call(engine, BOX, tenant.workspace_id, told.call_id, by=COMMAND_LINE)
    later = func.now() + text("interval '1 minute'")
    for at in (func.now(), later):
        async with engine.begin() as conn:
            event = {"workspace_id": tenant.workspace_id, "call_id": told.call_id, "type": "call.ended"}
            id_ = f"evt_{at}"
            values = {**event, "id": id_, "at": func.now(), "data": WORDS[0], "created_at": at}
            await conn.execute(insert(webhook_events).values(values))
    await forget_late_job(engine).run(call_ids=[told.call_id])
    async with engine.connect() as conn:
        assert await conn.scalar(select(func.count()).select_from(webhook_events)) == 1


@pytest.mark.parametrize("age", ["5 minutes", "10 seconds"])
async def test_what_its_callee_asked_for_stays_and_no_longer_tells_with_whom_it_was(engine, tenant, told, age):
    entry = {"workspace_id": tenant.workspace_id, "number": TO, "source": "callee", "call_id": told.call_id}
    async with engine.begin() as conn:
        at = func.now() - text(f"interval '{age}'")
        await conn.execute(insert(do_not_call).values(**entry, created_at=at))
    await erase_call(engine, BOX, tenant.workspace_id, told.call_id, by=COMMAND_LINE)
    async with engine.connect() as conn:
        left = (await conn.execute(select(do_not_call.c.number, do_not_call.c.call_id))).all()
        known = await knows_number(conn, BOX(), tenant.workspace_id, TO)
    # A new one a request may not have seen yet; it stays as it is, without its call.
    assert (left, known) == (([], True) if age == "5 minutes" else ([(TO, None)], False))
    places = {place.partition(":")[0] for place in await found_in_database(engine, *TRACES)}
    assert places == (set() if known else {"do_not_call.number", "webhook_outbox.listed_number"})


async def test_a_crash_in_the_middle_leaves_the_call_as_it_was(engine, tenant, told):
    before = await found_in_database(engine, *TRACES)
    async with engine.begin() as conn:  # the last statement fails, as it would with a server that dies
        await conn.execute(text("CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                                "IF NEW.erased_at IS NOT NULL THEN RAISE 'down'; END IF; RETURN NEW; END $$"))
        await conn.execute(text("CREATE TRIGGER fail BEFORE UPDATE ON calls FOR EACH ROW EXECUTE FUNCTION fail()"))
    try:
        with pytest.raises(Exception, match="down"):
            await erase_call(engine, BOX, tenant.workspace_id, told.call_id, by=COMMAND_LINE)
    finally:
        async with engine.begin() as conn:
            await conn.execute(text("DROP TRIGGER fail ON calls"))
            await conn.execute(text("DROP FUNCTION fail()"))
    assert await found_in_database(engine, *TRACES) == before


async def test_whoever_follows_the_call_comes_to_know_of_it(engine, tenant, told):
    await erase_call(engine, BOX, tenant.workspace_id, told.call_id, by=COMMAND_LINE)
    async with engine.connect() as conn:
        types = (await conn.scalars(select(call_events.c.type).order_by(call_events.c.id))).all()
        assert await conn.scalar(select(func.count()).select_from(turns)) == 0
    assert types[-1] == "erased"


# Columns of a call's tables that hold nothing personal of it: ids, closed sets of words, what our own code names; and
# those of the do-not-call list, which test_erase_number.py looks after. Whoever adds a column says here that it is one
# of these, or puts something personal into it in personal.py, and has it erased.
HARMLESS = {
    "attempts": {
        "call_id", "carrier", "carrier_account_id", "carrier_call_id", "carrier_refs", "end_reason", "id", "owner",
        "price_currency", "state",
    },
    "call_backs": {"call_id", "new_call_id"},
    "call_commands": {"call_id", "kind"},
    "call_events": {"call_id", "type"},
    "callbacks": {"attempt_id", "dedupe_key", "headers", "kind"},
    "calls": {
        "agent_id", "answered_by", "direction", "disclosure", "end_reason", "ended_by", "from", "id", "number_id",
        "outcome", "recording", "retry", "state", "traceparent", "workspace_id",
    },
    "consultations": {"answer", "attempt_id", "carrier_call_id", "carrier_refs", "owner", "price_currency"},
    "detections": {
        "asked", "attempt_id", "call_id", "carrier", "carrier_category", "local_category", "truth", "workspace_id",
    },
    "do_not_call": {"actor_id", "actor_kind", "actor_name", "call_id", "number", "reason", "source", "workspace_id"},
    "erased_entries": {"call_id", "source", "workspace_id"},
    "paces": {"account_ref", "attempt_id", "carrier"},
    "recording_removals": {"call_id", "workspace_id"},
    "seats": {"attempt_id", "worker_id"},
    "transfers": {"accepted_by", "attempt_id", "call_id", "failed_step", "leg", "result"},
    "turns": {"call_id", "latency", "speaker"},
    "webhook_deliveries": {"call_id", "event_id", "lane", "owner", "state", "url", "webhook_id"},
    "webhook_events": {"call_id", "id", "type", "workspace_id"},
    "wrap_ups": {"call_id", "model", "outcome", "outcome_evidence", "state"},
}  # fmt: skip


async def test_every_column_of_a_calls_tables_is_filled_or_known_to_hold_nothing_personal(engine, told):
    filled = {place.partition(":")[0] for place in await found_in_database(engine, *TRACES, OTHER_NUMBER)}
    of_a_call = {"calls"} | {
        table.name for table in metadata.tables.values() if {"call_id", "attempt_id"} & set(table.columns.keys())
    }
    empty: dict[str, set[str]] = {}
    for name in of_a_call:
        for column in metadata.tables[name].columns:
            if isinstance(column.type, Text | JSONB) and f"{name}.{column.name}" not in filled:
                empty.setdefault(name, set()).add(column.name)
    assert empty == HARMLESS
