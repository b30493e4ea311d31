import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select, text, update

from outdial.db.tables import attempts, call_events, callbacks, calls, transfers, turns
from outdial.ids import new_id
from outdial.media.recording import Recording
from outdial.recordings.errors import StoreUnreachable
from outdial.recordings.store import Store
from tenants import E164, make_tenant

TO = "+15551234567"
START = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)


@pytest.fixture
def store_call(engine, tenant):
    async def store(**values):
        row = {
            "id": new_id("call"),
            "workspace_id": tenant.workspace_id,
            "number_id": tenant.number_id,
            "direction": "outbound",
            "state": "queued",
            "from_": E164,
            "to": TO,
            "ring_timeout_s": 30,
            "max_duration_s": 600,
        } | values
        async with engine.begin() as conn:
            await conn.execute(insert(calls).values(row))
        return row["id"]

    return store


@pytest.fixture
def ended_call(engine, store_call):
    """A conversation that took place, on the second attempt."""

    async def store(**values):
        ended = {
            "state": "ended",
            "end_reason": "completed",
            "agent_id": "agent_1",
            "agent_version": 3,
            "variables": {"user_name": "Jane"},
            "metadata": {"crm": 1},
            "answered_by": {"category": "human", "evidence": ["carrier"], "after_answer_ms": 1840, "more": 1},
            "created_at": START,
            "due_at": START,
            "answered_at": START + timedelta(seconds=8),
            "ended_at": START + timedelta(seconds=39.25),
            "recording": "recordings/1.wav",
        }
        call_id = await store_call(**ended | values)
        dial = {"call_id": call_id, "carrier": "twilio", "stream_token_hash": b"", "created_at": START}
        busy = {"id": new_id("att"), "number": 1, "state": "ended", "end_reason": "busy"}
        good = {"id": new_id("att"), "number": 2, "state": "ended", "end_reason": "completed"}
        said = {"call_id": call_id, "start_ms": 100, "end_ms": 900}
        async with engine.begin() as conn:
            await conn.execute(insert(attempts), [dial | good, dial | busy])
            await conn.execute(
                insert(turns),
                [
                    said | {"seq": 1, "speaker": "callee", "text": "Hello?"},
                    said | {"seq": 0, "speaker": "agent", "text": "Hello Jane."},
                ],
            )
        return call_id

    return store


async def test_a_call_is_told_whole(client, ended_call):
    call_id = await ended_call()
    call = (await client.get(f"/v1/calls/{call_id}")).json()
    assert (call["state"], call["end_reason"], call["direction"]) == ("ended", "completed", "outbound")
    assert (call["from"], call["to"]) == (E164, TO)
    assert call["agent"] == {"id": "agent_1", "version": 3}
    assert call["variables"] == {"user_name": "Jane"}
    assert call["metadata"] == {"crm": 1}
    assert call["answered_by"] == {
        "category": "human",
        "confidence": None,
        "evidence": ["carrier"],
        "after_answer_ms": 1840,
    }
    assert call["created_at"] == "2026-01-31T09:00:00Z"
    assert call["duration_s"] == 31.25
    assert [(a["number"], a["end_reason"]) for a in call["attempts"]] == [(1, "busy"), (2, "completed")]
    assert [turn["text"] for turn in call["transcript"]] == ["Hello Jane.", "Hello?"]
    assert call["recording_url"] == f"https://voice.example/v1/calls/{call_id}/recording"


async def test_a_failed_call_says_why_in_our_word_with_the_carriers_beside_it(client, engine, ended_call):
    call_id = await ended_call()
    error = {"code": "number_not_in_service", "message": "It does not exist.", "carrier_code": "sip_404"}
    async with engine.begin() as conn:
        for table in (calls, attempts):
            await conn.execute(update(table).values(end_reason="failed", error=error))
    call = (await client.get(f"/v1/calls/{call_id}")).json()
    assert [each["error"] for each in (call, *call["attempts"])] == [error] * 3


async def test_an_attempt_whose_outcome_can_t_be_known_says_so_until_it_has_ended(client, engine, ended_call):
    call_id = await ended_call()
    async with engine.begin() as conn:
        await conn.execute(update(attempts).where(attempts.c.number == 2).values(state="dialing"))
        await conn.execute(update(attempts).values(unknown_since=START))
    call = (await client.get(f"/v1/calls/{call_id}")).json()
    assert [a["state"] for a in call["attempts"]] == ["ended", "unknown"]


async def test_unknown_calls_and_those_of_others_are_404(client, engine, ended_call):
    call_id = await ended_call()
    other = await make_tenant(engine)
    for path in (f"/v1/calls/{call_id}", f"/v1/calls/{call_id}/recording", f"/v1/calls/{call_id}/events"):
        assert (await client.get(path, headers={"Authorization": other.key})).status_code == 404
    answer = await client.post(f"/v1/calls/{call_id}/hang-up", headers={"Authorization": other.key})
    assert answer.status_code == 404
    for strange in ("call_none", "num_1", "call_%00", "%2E%2E"):
        answer = await client.get(f"/v1/calls/{strange}")
        assert (answer.status_code, answer.json()["code"]) == (404, "call_not_found")


async def test_a_call_that_has_not_changed_is_not_sent_again(client, engine, store_call):
    call_id = await store_call()
    first = await client.get(f"/v1/calls/{call_id}")
    tag = first.headers["ETag"]
    for known in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        again = await client.get(f"/v1/calls/{call_id}", headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag), known
    for other in ('"other"', tag[:-2] + '"', ""):
        assert (await client.get(f"/v1/calls/{call_id}", headers={"If-None-Match": other})).json() == first.json()
    await client.post(f"/v1/calls/{call_id}/hang-up")
    changed = await client.get(f"/v1/calls/{call_id}", headers={"If-None-Match": tag})
    assert (changed.status_code, changed.json()["state"]) == (200, "ended")
    assert changed.headers["ETag"] != tag
    nobody = await client.get("/v1/calls/call_00000000000000000000", headers={"If-None-Match": "*"})
    assert nobody.status_code == 404


# -- lists ---------------------------------------------------------------------------------------------------


async def test_pages_are_newest_first_and_leave_nothing_out(client, store_call):
    made = [await store_call(created_at=START + timedelta(seconds=n // 2)) for n in range(7)]  # two an instant
    seen, cursor = [], None
    while True:
        params = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/v1/calls", params=params)).json()
        seen += page["calls"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(call["id"] for call in seen) == sorted(made)
    assert [call["created_at"] for call in seen] == sorted((c["created_at"] for c in seen), reverse=True)
    assert "transcript" not in seen[0]


async def test_filters_narrow_a_list(client, store_call, tenant):
    mine = await store_call(created_at=START)
    done = await store_call(
        state="ended",
        end_reason="machine",
        ended_by="agent",
        outcome="left_message",
        direction="inbound",
        to="+15550000001",
        from_="+15550000002",
        number_id=None,
        agent_id="agent_2",
        answered_by={"category": "machine"},
        created_at=START + timedelta(hours=1),
    )

    async def found(**params):
        answer = await client.get("/v1/calls", params=params)
        assert answer.status_code == 200, answer.text
        return [call["id"] for call in answer.json()["calls"]]

    assert await found() == [done, mine]
    assert await found(state="queued") == [mine]
    assert await found(state=["queued", "ended"]) == [done, mine]
    assert await found(end_reason="machine") == [done]
    assert await found(outcome=["left_message", "confirmed"]) == await found(ended_by="agent") == [done]
    assert await found(outcome="confirmed") == await found(ended_by=["callee", "system"]) == []
    assert await found(direction="inbound") == [done]
    assert await found(number_id=tenant.number_id) == [mine]
    assert await found(agent_id="agent_2") == [done]
    assert await found(to="+15550000001") == [done]
    assert await found(**{"from": "+15550000002"}) == [done]
    assert await found(answered_by="machine") == [done]
    assert await found(created_after="2026-01-31T09:30:00Z") == [done]
    assert await found(created_before="2026-01-31T10:00:00+01:00") == []
    assert await found(created_before="2026-01-31T10:30:00+01:00") == [mine]
    assert await found(state="ended", direction="outbound") == []
    assert await found(ended_after="2026-01-31T09:00:00Z") == []
    assert await found(**{"metadata.crm_id": "4711"}) == await found(**{"metadata[crm_id]": "4711"}) == []


async def test_a_wrong_filter_is_refused_by_name(client):
    wrong = {
        "state": "alive",
        "end_reason": "x",
        "ended_by": "x",
        "outcome": "x" * 65,
        "direction": "up",
        "to": "5551234567",
        "from": "x",
        "created_after": "yesterday",
        "ended_after": "1769850000",
        "metadata.": "x",
        "metadata.crm_id": "x" * 501,
        "metadata": "4711",
        "limit": "201",
        "number_id": "\0",
        "stat": "ended",
        "from_": E164,
    }
    for field, value in wrong.items():
        answer = await client.get("/v1/calls", params={field: value})
        assert answer.status_code == 422, field
        assert answer.json()["errors"][0]["field"].startswith(field)
    for limit in ("0", "-1", "1.5", "many", "9" * 400):
        assert (await client.get("/v1/calls", params={"limit": limit})).status_code == 422


async def test_a_cursor_that_isn_t_ours_is_422(client):
    for cursor in ("x", "é", "W10=", "bnVsbA==", "WyIyMDI2LTAxLTMxVDA5OjAwOjAwWiIsICJcdTAwMDAiXQ==", "[" * 200, "MQ=="):
        answer = await client.get("/v1/calls", params={"cursor": cursor})
        assert answer.status_code == 422, cursor
        assert answer.json()["errors"][0]["field"] == "cursor"


# -- hanging up ----------------------------------------------------------------------------------------------


async def test_hanging_up_a_waiting_call_ends_it_at_once(client, engine, store_call):
    call_id = await store_call()
    answer = await client.post(f"/v1/calls/{call_id}/hang-up")
    assert answer.json() == {
        "call_id": call_id,
        "state": "ended",
        "status_url": f"https://voice.example/v1/calls/{call_id}",
    }
    call = (await client.get(f"/v1/calls/{call_id}")).json()
    assert (call["state"], call["end_reason"], call["ended_by"]) == ("ended", "canceled", "operator")
    assert call["ended_at"]
    async with engine.connect() as conn:
        event = (await conn.execute(select(call_events))).one()
    assert event.data == {"state": "ended", "end_reason": "canceled", "ended_by": "operator", "outcome": None}
    again = await client.post(f"/v1/calls/{call_id}/hang-up")
    assert (again.status_code, again.json()["code"]) == (409, "call_ended")


@pytest.mark.parametrize("state", ["dialing", "ringing", "in_progress"])
async def test_hanging_up_a_live_call_asks_for_it_and_twice_is_harmless(client, store_call, state):
    call_id = await store_call(state=state)
    for _ in range(2):
        answer = await client.post(f"/v1/calls/{call_id}/hang-up")
        assert (answer.status_code, answer.json()["state"]) == (200, state)
    assert (await client.get(f"/v1/calls/{call_id}")).json()["hang_up_requested_at"]


# -- recordings ----------------------------------------------------------------------------------------------

AUDIO = bytes(range(100))


@pytest.fixture(params=["recordings", "store"])
async def recorded(request, settings, ended_call):
    """On this disk, or in the store alone."""
    path = settings.data_dir / request.param / ("1.wav" if request.param == "recordings" else "1/1.wav")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(AUDIO)
    return f"/v1/calls/{await ended_call()}/recording"


async def test_a_recording_is_given_whole_or_in_ranges(client, recorded):
    whole = await client.get(recorded)
    assert (whole.status_code, whole.content) == (200, AUDIO)
    assert whole.headers["content-type"] == "audio/wav"
    assert whole.headers["accept-ranges"] == "bytes"
    for wanted, part in {"bytes=10-19": AUDIO[10:20], "bytes=90-": AUDIO[90:], "bytes=-5": AUDIO[-5:]}.items():
        answer = await client.get(recorded, headers={"Range": wanted})
        assert (answer.status_code, answer.content) == (206, part)
    assert answer.headers["content-range"] == "bytes 95-99/100"
    assert (await client.get(recorded, headers={"Range": "lines=1-2"})).status_code == 200
    assert whole.headers["content-disposition"].startswith("inline")
    beyond = await client.get(recorded, headers={"Range": "bytes=90-900"})
    assert (beyond.content, beyond.headers["content-range"]) == (AUDIO[90:], "bytes 90-99/100")


async def test_a_range_that_makes_no_sense_is_416(client, recorded):
    for wanted in ("100-", "5-2", "-0", "", "x", "1-2,200-", "9" * 50 + "-"):
        answer = await client.get(recorded, headers={"Range": f"bytes={wanted}"})
        assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable"), wanted
        assert answer.headers["content-range"] == "bytes */100"


async def test_a_store_that_is_away_is_503(client, ended_call, monkeypatch):
    def refuse(store, place):
        raise StoreUnreachable("GenericError")

    monkeypatch.setattr(Store, "size", refuse)
    call_id = await ended_call()
    for path in ("recording", "recording/waveform"):
        answer = await client.get(f"/v1/calls/{call_id}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) > 0


async def test_a_call_without_a_recording_is_404(client, engine, store_call, ended_call, settings):
    (settings.data_dir / "secret_key").write_text("not for you")
    (settings.data_dir / "recordings").mkdir()
    for call_id in (
        await store_call(),
        await ended_call(recording="recordings/lost.wav"),
        await ended_call(recording="recordings/../secret_key"),
        await ended_call(recording="recordings"),
    ):
        answer = await client.get(f"/v1/calls/{call_id}/recording")
        assert (answer.status_code, answer.json()["code"]) == (404, "no_recording")


async def test_what_was_sent_comes_back_unchanged(client, tenant):
    variables = {
        "text": "tab\t bell\x07 \U0001f600 \u202e",
        "numbers": [0, -1, 2**63 - 1, -(2**63), 0.1, -0.0, 1e-7, -2.5e17, 1.2345678901234567e19, 1e300, 5e-324],
        "flags": [True, False, None],
        "": {"nested": [[[]]]},
    }
    sent = {"to": TO, "variables": variables, "metadata": variables}
    answer = await client.post(f"/v1/phone-number/{tenant.number_id}/outbound", json=sent)
    call = (await client.get(answer.json()["status_url"])).json()
    assert call["variables"] == variables
    assert call["metadata"] == variables


async def test_a_future_call_waits_until_it_is_due(client, tenant, engine):
    sent = {"to": TO, "not_before": "2099-01-01T10:00:00+01:00", "expires_at": "2099-01-02T00:00:00Z"}
    answer = await client.post(f"/v1/phone-number/{tenant.number_id}/outbound", json=sent)
    call = (await client.get(answer.json()["status_url"])).json()
    assert call["due_at"] == "2099-01-01T09:00:00Z"
    assert call["expires_at"] == "2099-01-02T00:00:00Z"
    async with engine.connect() as conn:
        assert await conn.scalar(text("SELECT due_at > now() FROM calls"))


async def test_calls_are_found_by_words_party_and_unknown_outcome(client, ended_call, store_call):
    call_id = await ended_call()
    waiting = await store_call(to="+15550000001")

    async def found(**filters):
        return [call["id"] for call in (await client.get("/v1/calls", params=filters)).json()["calls"]]

    assert await found(words="hello jane") == [call_id]
    assert await found(words="goodbye") == []
    assert await found(party="+15550000001") == [waiting]
    assert await found(state="unknown") == []
    assert (await client.get("/v1/calls", params={"words": ""})).status_code == 422
    assert (await client.get("/v1/calls", params={"party": "555"})).status_code == 422


async def test_calls_are_exported_as_csv(client, ended_call, store_call):
    call_id = await ended_call(variables={"user_name": "=1+1"}, noted={"outcome": "moved"}, metadata=None)
    await store_call(metadata={"note": "a\r\nb"}, to="+15550000001", created_at=START - timedelta(1))
    answer = await client.get("/v1/calls.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="calls.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert [row["to"] for row in rows] == [TO, "+15550000001"]
    assert rows[0]["id"] == call_id
    assert (rows[0]["end_reason"], rows[0]["answered_by"], rows[0]["attempts"]) == ("completed", "human", "2")
    assert (rows[0]["duration_s"], rows[0]["variables"]) == ("31.25", '{"user_name": "=1+1"}')
    assert (rows[0]["noted"], rows[1]["noted"]) == ('{"outcome": "moved"}', "")
    assert json.loads(rows[1]["metadata"]) == {"note": "a\r\nb"}


async def test_what_became_of_transfers_is_told_in_the_call_the_list_and_the_export(client, ended_call, engine):
    call_id = await ended_call()
    refused = {"code": "no_route", "message": "There is no route.", "carrier_code": None}
    async with engine.begin() as conn:
        attempt_id = await conn.scalar(select(attempts.c.id).where(attempts.c.number == 2))
        row = {"call_id": call_id, "attempt_id": attempt_id, "at": START}
        await conn.execute(insert(transfers).values(row | {"to": "+15550000009", "result": "failed", "error": refused}))
        await conn.execute(
            insert(transfers).values(row | {"to": "+15550000008", "result": "answered", "duration_s": 12.5})
        )
    at = "2026-01-31T09:00:00Z"
    cold = {"warm": False, "accepted_by": None, "price": None, "price_currency": None}
    expected = [
        {"to": "+15550000009", "at": at, "result": "failed", "duration_s": None, "error": refused, **cold},
        {"to": "+15550000008", "at": at, "result": "answered", "duration_s": 12.5, "error": None, **cold},
    ]
    assert (await client.get(f"/v1/calls/{call_id}")).json()["transfers"] == expected
    assert (await client.get("/v1/calls")).json()["calls"][0]["transfers"] == expected
    [row] = csv.DictReader(io.StringIO((await client.get("/v1/calls.csv")).content.decode("utf-8-sig"), newline=""))
    told = (row["transferred_to"], row["transfer_result"], row["transfer_duration_s"])
    assert told == ("+15550000008", "answered", "12.5")


async def test_the_export_has_the_filters_of_the_list_and_every_page(client, store_call):
    for minute in range(450):
        await store_call(created_at=START + timedelta(minutes=minute), to="+15550000001" if minute % 2 else TO)
    text = (await client.get("/v1/calls.csv", params={"to": "+15550000001"})).text
    assert text.count("\r\n") == 1 + 225
    assert TO not in text
    assert (await client.get("/v1/calls.csv", params={"limit": 3})).status_code == 422


async def test_an_export_of_nothing_is_a_header(client):
    assert (await client.get("/v1/calls.csv")).text.startswith("\ufeffid,created_at,direction,")


async def test_the_callbacks_of_a_call_are_told_without_secrets(client, ended_call, engine):
    call_id = await ended_call()
    async with engine.begin() as conn:
        second = (attempts.c.call_id == call_id, attempts.c.number == 2)
        attempt_id = await conn.scalar(select(attempts.c.id).where(*second))
        headers = {"content-type": "text/plain", "authorization": "Bearer " + "s" * 40, "x-twilio-signature": "abc"}
        row = {"attempt_id": attempt_id, "kind": "status", "dedupe_key": "1", "headers": headers, "body": "a=1"}
        await conn.execute(insert(callbacks).values(row))
    (callback,) = (await client.get(f"/v1/calls/{call_id}/callbacks")).json()["callbacks"]
    assert (callback["attempt"], callback["carrier"], callback["kind"]) == (2, "twilio", "status")
    assert callback["body"] == "a=1"
    assert callback["headers"] == {
        "content-type": "text/plain",
        "authorization": "Bearer…",
        "x-twilio-signature": "…",
    }
    assert (await client.get("/v1/calls/call_none/callbacks")).status_code == 404


async def test_the_waveform_of_a_recording_is_told(client, ended_call, services):
    call_id = await ended_call()
    assert (await client.get(f"/v1/calls/{call_id}/recording/waveform")).json()["code"] == "no_recording"
    services.recordings.folder.mkdir()
    recording = Recording(services.recordings.folder / "1.wav")
    recording.callee(0, b"\x00\x40" * 8000)
    recording.close(1000)
    answer = await client.get(f"/v1/calls/{call_id}/recording/waveform")
    assert answer.json() == {"duration_ms": 1000, "callee": [0.5] * 100, "agent": [0.0] * 100}
    (services.recordings.folder / "1.wav").write_bytes(b"broken")
    assert (await client.get(f"/v1/calls/{call_id}/recording/waveform")).status_code == 404


async def test_turns_before_the_recording_are_not_in_it(client, ended_call):
    call_id = await ended_call(recording="recordings/call_1-1.wav")
    turns_of = (await client.get(f"/v1/calls/{call_id}")).json()["transcript"]
    assert [turn["recorded"] for turn in turns_of] == [False, False]
    call_id = await ended_call(recording="recordings/call_1.wav")
    assert (await client.get(f"/v1/calls/{call_id}")).json()["transcript"][1]["recorded"]


async def test_a_call_tells_what_it_was_asked_for_beside_what_its_agent_noted(client, ended_call):
    call_id = await ended_call(variables={"a": 1}, noted={"a": 2})
    call = (await client.get(f"/v1/calls/{call_id}")).json()
    assert (call["variables"], call["noted"]) == ({"a": 1}, {"a": 2})
