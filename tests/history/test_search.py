"""Which calls a filter finds, and how pages follow one another."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert

from long_queue import RARE, make_long_queue
from outdial.db.tables import attempts, calls, turns
from outdial.history import search
from outdial.history.call_filter import CallFilter
from outdial.history.cursor import Cursor, Order
from outdial.history.views import list_calls
from outdial.ids import new_id
from rows_read import rows_read
from tenants import make_tenant

NINE = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)


@pytest.fixture
async def tenant(engine):
    return await make_tenant(engine)


@pytest.fixture
def store(engine, tenant):
    async def store(*said: str, **values) -> str:
        row = {
            "id": new_id("call"),
            "workspace_id": tenant.workspace_id,
            "direction": "outbound",
            "state": "ended",
            "from_": "+15551230002",
            "to": "+15551234567",
            "ring_timeout_s": 30,
            "max_duration_s": 600,
            "created_at": NINE,
        } | values
        async with engine.begin() as conn:
            await conn.execute(insert(calls).values(row))
            for seq, text in enumerate(said):
                turn = {"call_id": row["id"], "seq": seq, "speaker": "callee", "text": text, "start_ms": 0}
                await conn.execute(insert(turns).values(turn))
        return row["id"]

    return store


@pytest.fixture
def found(engine, tenant):
    async def found(**wanted) -> list[str]:
        async with engine.connect() as conn:
            page = await list_calls(conn, tenant.workspace_id, CallFilter.model_validate(wanted), base_url="")
        return [call["id"] for call in page["calls"]]

    return found


@pytest.mark.parametrize("rare", [0, 2000], ids=["common words", "rare words"])
async def test_words_are_found_in_what_was_said(store, found, monkeypatch, rare):
    monkeypatch.setattr(search, "RARE_TURNS", rare)  # both ways have to find the same
    call_id = await store("Hello?", "I'd like to MOVE my appointment, please.", "Größe 42")
    await store("Wrong number.")
    for words in ("move", "appointment MOVE", '"my appointment"', 'please "my appointment"', "größe", "42", "i'd"):
        assert await found(words=words) == [call_id], words
    assert await found(words="-hello!") == [call_id]  # there are no operators
    # All in one turn, whole words, in their order where they are quoted.
    others = ("hello please", "appoint", '"appointment my"', "<b>", "!&|()")
    for words in (*others, "'", '"', '""', "%", "%s", "\\", "\\'", "'; --"):
        assert call_id not in await found(words=words), words


@given(words=st.text(min_size=1, max_size=40).filter(lambda text: "\x00" not in text))
def test_any_words_make_a_query(words):
    try:
        wanted = CallFilter(words=words)
    except ValueError:
        return  # half of a surrogate pair
    str(search._page_query("ws", wanted, None))
    str(search._page_query("ws", wanted, {"call_1"}))


async def test_words_of_another_workspace_are_not_found(store, found, engine):
    other = await make_tenant(engine)
    await store("secret", workspace_id=other.workspace_id)
    assert await found(words="secret") == []


async def test_the_other_party_is_who_was_called_or_who_called(store, found):
    called = await store(to="+15550000001")
    later = NINE + timedelta(days=1)
    called_us = await store(direction="inbound", from_="+15550000001", to="+15551230002", created_at=later)
    await store(direction="inbound", from_="+15550000009", to="+15550000001")
    assert await found(party="+15550000001") == [called_us, called]


async def test_calls_are_found_by_what_came_of_them_and_who_ended_them(store, found):
    confirmed = await store(outcome="confirmed", ended_by="agent")
    moved = await store(outcome="moved", ended_by="callee")
    await store(ended_by="carrier")
    assert await found(outcome=["confirmed"]) == [confirmed]
    assert set(await found(outcome=["confirmed", "moved"])) == {confirmed, moved}
    assert await found(outcome=["moved"], ended_by=["callee"]) == [moved]
    assert await found(outcome=["moved"], ended_by=["agent", "system"]) == []


async def test_every_outcome_of_a_workspace_is_known_once(store, engine, tenant, monkeypatch):
    other = await make_tenant(engine)
    for word in ("moved", "confirmed", "moved", "silent", None):
        await store(outcome=word)
    await store(outcome="secret", workspace_id=other.workspace_id)
    async with engine.connect() as conn:
        assert await search.outcomes_seen(conn, tenant.workspace_id) == ["confirmed", "moved", "silent"]
        monkeypatch.setattr(search, "MAX_OUTCOMES_SEEN", 2)
        assert await search.outcomes_seen(conn, tenant.workspace_id) == ["confirmed", "moved"]


async def test_unknown_calls_are_those_with_a_dial_of_unknown_outcome(store, found, engine):
    unknown, resolved, dialing = [await store(state="dialing") for _ in range(3)]
    dial = {"number": 1, "carrier": "twilio", "stream_token_hash": b"", "unknown_since": NINE}
    async with engine.begin() as conn:
        await conn.execute(insert(attempts).values(dial | {"id": "att_1", "call_id": unknown, "state": "dialing"}))
        await conn.execute(insert(attempts).values(dial | {"id": "att_2", "call_id": resolved, "state": "ended"}))
    assert await found(state=["unknown"]) == [unknown]
    assert set(await found(state=["unknown", "dialing"])) == {unknown, resolved, dialing}


async def test_pages_lead_there_and_back(store, engine, tenant):
    ids = [await store(created_at=NINE - timedelta(minutes=minute // 2)) for minute in range(7)]  # some at once
    ids.sort()

    async def page(cursor):
        async with engine.connect() as conn:
            return await list_calls(conn, tenant.workspace_id, CallFilter(limit=3, cursor=cursor), base_url="")

    pages = [await page(None)]
    while pages[-1]["next_cursor"]:
        pages.append(await page(pages[-1]["next_cursor"]))
    assert [len(one["calls"]) for one in pages] == [3, 3, 1]
    assert sorted(call["id"] for one in pages for call in one["calls"]) == ids
    assert pages[0]["previous_cursor"] is None
    back = await page(pages[2]["previous_cursor"])
    assert back["calls"] == pages[1]["calls"]
    assert back["next_cursor"] == pages[1]["next_cursor"]
    first = await page(back["previous_cursor"])
    assert first == pages[0]


# -- a long queue ----------------------------------------------------------------------------------------------

WANTED = {
    "all": {},
    "waiting": {"state": ["queued"]},
    "ended": {"state": ["ended"]},
    "up": {"state": ["in_progress"]},
    "unknown": {"state": ["unknown"]},
    "ended or up": {"state": ["ended", "ringing"]},
    "completed": {"end_reason": ["completed"]},
    "failed": {"end_reason": ["failed"]},
    "an end reason of none": {"end_reason": ["expired"]},
    "ended by somebody": {"ended_by": ["callee"], "created_after": "2100-01-01T00:00:00Z"},
    "an outcome": {"outcome": ["often"]},
    "a rare outcome": {"outcome": ["seldom"]},
    "answered by a fax": {"answered_by": "fax"},
    "answered by a person": {"answered_by": "human"},
    "inbound, of a rare number": {"direction": "inbound", "number_id": RARE["number"]},
    "a rare number": {"number_id": RARE["number"]},
    "a rare number, waiting": {"number_id": RARE["number"], "state": ["queued"]},
    "a rare number, ended": {"number_id": RARE["number"], "state": ["ended"]},
    "a rare agent": {"agent_id": RARE["agent"]},
    "a rare agent, waiting": {"agent_id": RARE["agent"], "state": ["queued"]},
    "one party": {"party": RARE["party"]},
    "called": {"to": RARE["party"]},
    "from our own number": {"from": "+15551230002"},
    "words": {"words": "hello"},
    "one order": {"metadata.order": "4711"},
    "a rare campaign": {"metadata.campaign": "trial"},
    "a campaign": {"metadata.campaign": "spring", "state": ["ended"]},
    "no such campaign": {"metadata.campaign": "winter"},
}
BY_END = {
    "ended since": {"ended_after": "2026-01-01T00:00:00Z"},
    "ended until": {"ended_before": "2100-01-01T00:00:00Z", "end_reason": ["completed"]},
    "ended since, in a rare way": {"ended_after": "2100-01-01T00:00:00Z", "end_reason": ["failed"]},
    "ended since, of a rare campaign": {"ended_after": "2026-01-01T00:00:00Z", "metadata.campaign": "trial"},
}


@pytest.fixture
async def long_queue(engine):
    return await make_long_queue(engine)


async def test_a_page_reads_few_calls_however_many_wait_or_have_ended(engine, long_queue):
    """Of 20,000 that wait and 20,000 that have ended; once in each direction."""
    place = {"at": datetime.now(UTC) - timedelta(hours=1, seconds=20_000), "call_id": new_id("call")}
    for name, wanted in (WANTED | BY_END).items():
        order = Order.ENDED if name in BY_END else Order.CREATED
        middle = [Cursor(**place, order=order, newer=newer).text() for newer in (False, True)]
        for cursor in (None, *middle):

            async def look(conn, wanted=wanted, cursor=cursor):
                page = CallFilter.model_validate(wanted | {"cursor": cursor})
                await list_calls(conn, long_queue.workspace_id, page, base_url="")

            read = await rows_read(engine, look)
            assert read["calls"] < 1.5 * search.RARE_CALLS, (name, cursor, read)


async def test_calls_that_wait_are_up_and_have_ended_are_in_one_order(store, found):
    ids = [
        await store(state=state, created_at=NINE - timedelta(minutes=minute))
        for minute, state in enumerate(["ended", "queued", "ringing", "ended", "queued", "in_progress"])
    ]
    assert await found() == ids
    assert await found(limit=4) == ids[:4]
    assert await found(state=["queued", "in_progress"]) == [ids[1], ids[4], ids[5]]
    assert await found(state=["queued"], end_reason=["busy"]) == []


async def test_whoever_asks_what_ended_gets_the_last_to_end_first_page_by_page(store, engine, tenant):
    """However long ago the calls were made, and however many end at the same instant."""
    ids = [
        await store(created_at=NINE + timedelta(hours=place), ended_at=NINE + timedelta(days=1, minutes=-(place // 2)))
        for place in range(7)
    ]
    await store(ended_at=NINE)  # too early
    await store(state="in_progress", created_at=NINE + timedelta(days=2))
    pages, cursor = [], None
    async with engine.connect() as conn:
        while not pages or cursor is not None:
            wanted = {"ended_after": "2026-02-01T08:57:00Z", "limit": 3, "cursor": cursor}
            page = await list_calls(conn, tenant.workspace_id, CallFilter.model_validate(wanted), base_url="")
            pages.append(page)
            cursor = page["next_cursor"]
        back = CallFilter.model_validate(wanted | {"cursor": pages[1]["previous_cursor"]})
        first = await list_calls(conn, tenant.workspace_id, back, base_url="")
    listed = [call["id"] for page in pages for call in page["calls"]]
    assert [len(page["calls"]) for page in pages] == [3, 3, 1]
    assert listed == sorted(ids, key=lambda call_id: (-(ids.index(call_id) // 2), call_id), reverse=True)
    assert [call["id"] for call in first["calls"]] == listed[:3]


async def test_only_what_ended_in_time_is_found(store, found):
    early, late = [await store(ended_at=NINE + timedelta(minutes=minute)) for minute in (0, 5)]
    await store(state="queued")
    assert await found(ended_after="2026-01-31T09:00:00Z") == [late, early]
    assert await found(ended_after="2026-01-31T09:00:01Z") == [late]
    assert await found(ended_before="2026-01-31T09:05:00Z") == [early]
    assert await found(ended_after="2026-01-31T09:00:00Z", state=["queued"]) == []


@pytest.mark.parametrize("rare", [0, 2000], ids=["common", "rare"])
async def test_calls_are_found_by_what_was_sent_along(store, found, monkeypatch, rare):
    monkeypatch.setattr(search, "RARE_CALLS", rare)  # both ways have to find the same
    sent = {
        "crm_id": "4711",
        "count": 3,
        "price": 1.5,
        "vip": True,
        "a.b": "x",
        "": "y",
        "deep": {"er": "z"},
        "none": None,
    }
    call_id = await store(metadata=sent)
    await store(metadata={"crm_id": "0815", "count": "3"}, created_at=NINE - timedelta(hours=1))
    await store()
    for key, value in (("crm_id", "4711"), ("price", "1.5"), ("vip", "true"), ("a.b", "x")):
        assert await found(**{f"metadata.{key}": value}) == await found(**{f"metadata[{key}]": value}) == [call_id], key
    assert len(await found(**{"metadata.count": "3"})) == 2  # as a number, and as a text
    assert await found(**{"metadata.count": "3", "metadata.crm_id": "4711"}) == [call_id]
    for key, value in (("crm_id", "47"), ("crm_id", '"4711"'), ("vip", "True"), ("price", "1.50"), ("none", "null"),
                       ("deep.er", "z"), ("deep", '{"er": "z"}'), ("x' OR 1=1 --", "1"), ("count", "NaN"),
                       ("count", "1e999"), ("count", "[" * 10_000)):  # fmt: skip
        assert await found(**{f"metadata.{key}": value[:500]}) == [], key


async def test_what_was_said_before_a_call_waits_again_is_found(store, found):
    call_id = await store("Call me later", state="queued", dialled=True)
    assert await found(words="later") == [call_id]
