import asyncio
import html
import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select, update

from outdial.calls.events import add_event
from outdial.dashboard.live_views import call_view, calls_view
from outdial.db.tables import attempts, call_events, callbacks, calls, transfers, turns
from outdial.ids import new_id
from outdial.telephony.advice import AFTER_FAILURE
from outdial.telephony.failures import FailureCode
from tenants import E164, make_tenant

TO = "+15551234567"
NINE = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)


@pytest.fixture
async def browser(editor):
    return editor


@pytest.fixture
def store_call(engine, tenant):
    async def store(*said: str, dial: dict | None = None, **values) -> str:
        row = {
            "id": new_id("call"),
            "workspace_id": tenant.workspace_id,
            "number_id": tenant.number_id,
            "agent_id": tenant.agent_id,
            "agent_version": 1,
            "direction": "outbound",
            "state": "queued",
            "from_": E164,
            "to": TO,
            "ring_timeout_s": 30,
            "max_duration_s": 600,
            "created_at": NINE,
        } | values
        async with engine.begin() as conn:
            await conn.execute(insert(calls).values(row))
            await add_event(conn, row["id"], "state", {"state": "queued"})
            for place, text in enumerate(said):
                turn = {"speaker": "agent", "text": text, "start_ms": place * 1000, "end_ms": place * 1000 + 900}
                await conn.execute(insert(turns).values(call_id=row["id"], seq=place * 1000 + 1, **turn))
            if dial is not None:
                attempt = {"id": new_id("att"), "number": 1, "carrier": "twilio", "state": "ended"}
                given = {"call_id": row["id"], "stream_token_hash": b""}
                await conn.execute(insert(attempts).values(attempt | given | dial))
        return row["id"]

    return store


def ended(**values):
    return {
        "state": "ended",
        "end_reason": "completed",
        "answered_at": NINE + timedelta(seconds=8),
        "ended_at": NINE + timedelta(seconds=39),
        "recording": "recordings/1.wav",
    } | values


async def rows_of(browser, query=""):
    page = await browser.get(f"/calls{query}")
    assert page.status_code == 200, page.text
    return page.text.count('<tr id="row-')


# -- the list --------------------------------------------------------------------------------------------------


async def test_a_workspace_without_calls_says_so(browser):
    page = await browser.get("/calls")
    assert "No call yet" in page.text
    assert 'id="call-rows"' in page.text  # where the first one appears by itself


async def test_filters_that_match_nothing_say_so_and_keep_what_was_typed(browser, store_call):
    await store_call()
    page = await browser.get("/calls", params={"words": '"quarterly <report>'})
    assert "No call matches" in page.text
    assert "&#34;quarterly &lt;report&gt;" in page.text
    assert "No call yet" not in page.text


async def test_each_filter_finds_its_calls(browser, store_call, tenant):
    came_of_it = {"outcome": "confirmed", "ended_by": "callee"}
    await store_call("Hello Jane", **ended(), **came_of_it, answered_by={"category": "human", "evidence": []})
    from_whom = {"direction": "inbound", "from_": "+15557654321", "to": E164}
    await store_call(**from_whom, state="in_progress", created_at=NINE.replace(day=1))
    for query, count in (
        ("", 2),
        ("?words=jane", 1),
        ("?words=john", 0),
        ("?party=%2B15551234567", 1),
        ("?party=%2B1+555+765-4321", 1),
        ("?state=in_progress", 1),
        ("?end_reason=completed", 1),
        ("?answered_by=human", 1),
        ("?outcome=confirmed", 1),
        ("?outcome=moved", 0),
        ("?ended_by=callee", 1),
        ("?outcome=confirmed&ended_by=agent", 0),
        (f"?number_id={tenant.number_id}", 2),
        ("?agent_id=agent_none", 0),
        ("?direction=inbound", 1),
        ("?created_after=2026-01-15T00:00:00Z", 1),
        ("?created_before=2026-01-15T00:00:00Z", 1),
        ("?utm_source=mail&words=", 2),
    ):
        assert await rows_of(browser, query) == count, query


async def test_the_filter_has_the_outcomes_there_are_and_the_one_that_is_looked_for(browser, store_call):
    for word in ("wrong_person", "hung_up_early", "wrong_person"):
        await store_call(**ended(), outcome=word)
    page = (await browser.get("/calls")).text
    assert page.count('value="wrong_person" >Wrong person</option>') == 1
    assert page.count('value="hung_up_early" >Hung up early</option>') == 1
    assert "Wrong person" in page.partition("<tbody")[2]
    assert 'value="never_said" selected>Never said</option>' in (await browser.get("/calls?outcome=never_said")).text


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"outcome": "do_not_call", "ended_by": "agent"},
            ["Do not call", "The callee asked not to be called again. The agent hung up."],
        ),
        ({"outcome": "wrong_person", "ended_by": "agent"}, ["Wrong person", "So its agent says: wrong_person."]),
        (
            {"outcome": "hung_up_early", "ended_by": "callee", "direction": "inbound"},
            ["Hung up early", "The caller hung up before anything came of the call.", "<dd>Caller</dd>"],
        ),
        (
            {"end_reason": "busy", "ended_by": "callee"},
            [">The line was busy<", "The network told so.", "retry on busy"],
        ),
        (
            {"end_reason": "no_answer", "ended_by": "limit"},
            [">Nobody answered<", "It rang as long as it was to ring.", "retry on no_answer"],
        ),
        ({"end_reason": "machine", "ended_by": "agent"}, ["The agent hung up on a machine."]),
        ({"end_reason": "machine", "ended_by": "callee"}, ["The callee hung up."]),
        ({"end_reason": "canceled", "ended_by": "policy"}, ["A rule ended it while it waited."]),
        ({"end_reason": "failed", "ended_by": "system"}, ["Outdial ended it.", "<dd>Outdial</dd>"]),
        ({"outcome": "<b>"}, ["&lt;b&gt;"]),
    ],
)
async def test_a_call_says_first_what_came_of_it_and_who_ended_it(browser, store_call, values, said):
    page = (await browser.get(f"/calls/{await store_call(**ended() | values)}")).text
    summary = " ".join(page[page.index('aria-label="Summary"') :].split("</section>")[0].split())
    for words in said:
        assert words in summary, words


async def test_a_filter_that_is_wrong_is_told_at_its_field(browser, store_call):
    await store_call()
    page = await browser.get("/calls?party=12&state=asleep")
    assert page.status_code == 422
    assert 'id="error-party"' in page.text
    assert 'id="error-state"' in page.text
    assert 'value="12"' in page.text


async def test_pages_lead_to_older_calls_and_back(browser, store_call):
    for minute in range(120):
        await store_call(created_at=NINE + timedelta(minutes=minute))
    first = await browser.get("/calls")
    assert "Newer" not in first.text
    second = await browser.get(link(first.text, "next"))
    third = await browser.get(link(second.text, "next"))
    assert [page.text.count('<tr id="row-') for page in (first, second, third)] == [50, 50, 20]
    assert 'rel="next"' not in third.text
    back = await browser.get(link(third.text, "prev"))
    assert row_ids(back.text) == row_ids(second.text)
    newest = await browser.get(link(back.text, "prev"))
    assert newest.headers["location"] == "/calls"  # the page that is live
    assert not set(row_ids(first.text)) & set(row_ids(second.text))


async def test_the_export_button_has_the_filters(browser, store_call):
    await store_call()
    page = await browser.get("/calls?party=%2B1+555+123+4567&state=queued")
    assert "/v1/calls.csv?party=%2B15551234567&amp;state=queued" in page.text


async def test_nobody_sees_calls_of_another_workspace(browser, store_call, engine):
    other = await make_tenant(engine)
    call_id = await store_call("secret", workspace_id=other.workspace_id, number_id=None)
    assert await rows_of(browser) == 0
    assert await rows_of(browser, "?words=secret") == 0
    for path in ("", "/callbacks", "/watch"):
        assert (await browser.get(f"/calls/{call_id}{path}")).status_code == 404
    assert (await browser.get(f"/live/calls/{call_id}")).status_code == 404


def link(html: str, rel: str) -> str:
    return html.split(f'rel="{rel}" href="')[1].split('"')[0].replace("&amp;", "&")


def row_ids(html: str) -> list[str]:
    return [piece.split('"')[0] for piece in html.split('<tr id="row-')[1:]]


# -- one call --------------------------------------------------------------------------------------------------


async def test_one_call_shows_what_is_known_of_it(browser, store_call):
    call_id = await store_call(
        "Hello Jane.",
        **ended(),
        variables={"user_name": "Jane"},
        noted={"outcome": "confirmed"},
        metadata={"crm": 4711},
        detection={"on_machine": None, "message": None, "max_wait_s": 30},
        answered_by={"category": "human", "evidence": ["twilio:human"], "after_answer_ms": 1840, "confidence": 0.9},
        dial={"carrier_call_id": "CA123", "end_reason": "completed", "price": "0.014", "price_currency": "USD"},
    )
    page = (await browser.get(f"/calls/{call_id}")).text
    for text in (
        "Hello Jane.", "CA123", "0.014 USD", "A person answered.", "Twilio heard a person.", "1,840 ms", "90%",
        "Noted during the call", "confirmed", "4711", "0:31", "Reminder", "Front desk", "Accepted",
        f"/v1/calls/{call_id}/recording", "Call again", "#t=0.0",
    ):  # fmt: skip
        assert text in page, text
    assert "data-live" not in page  # nothing changes any more
    assert "hang-up" not in page


async def test_one_call_shows_what_became_of_its_transfer(browser, store_call, engine):
    call_id = await store_call(**ended(), dial={"carrier_call_id": "CA123", "end_reason": "completed"})
    async with engine.begin() as conn:
        attempt_id = await conn.scalar(select(attempts.c.id).where(attempts.c.call_id == call_id))
        row = {"call_id": call_id, "attempt_id": attempt_id, "to": "+15550000008"}
        await conn.execute(insert(transfers).values(row | {"result": "busy"}))
        await conn.execute(insert(transfers).values(row | {"result": "answered", "duration_s": 72.0}))
    page = (await browser.get(f"/calls/{call_id}")).text
    for text in ("Transferred to", "+15550000008", ">Busy<", ">Answered<", "1:12"):
        assert text in page, text


async def test_what_strangers_say_is_escaped(browser, store_call):
    evil = "<img src=x onerror=alert(1)>"
    call_id = await store_call(evil, variables={evil: evil}, metadata={evil: [evil]}, state="in_progress")
    for path in (f"/calls/{call_id}", f"/calls/{call_id}/watch"):
        page = (await browser.get(path)).text
        assert "<img" not in page
        assert "&lt;img" in page


async def test_a_call_that_was_asked_for_again_sends_what_it_was_sent(browser, store_call):
    call_id = await store_call(
        **ended(), variables={"a": 1}, noted={"b": True}, detection={"max_wait_s": 30}
    )
    page = (await browser.get(f"/calls/{call_id}")).text
    assert 'name="variables" data-type="json" value="{&#34;a&#34;: 1}"' in page
    assert "without consent break the law" in page


async def test_an_inbound_call_is_called_back_at_the_caller_s_number(browser, store_call):
    call_id = await store_call(**ended(), direction="inbound", from_="+15557654321", to=E164)
    page = (await browser.get(f"/calls/{call_id}")).text
    assert 'name="to" value="+15557654321"' in page
    assert "Call back" in page


async def test_a_viewer_gets_no_dialogs_to_change_a_call(viewer, editor, store_call):
    call_id = await store_call(state="in_progress", answered_at=NINE)
    assert "say-dialog-title" not in (await viewer.get(f"/calls/{call_id}")).text
    assert "say-dialog-title" in (await editor.get(f"/calls/{call_id}")).text


async def test_a_dial_of_unknown_outcome_is_seen_as_such(browser, store_call):
    call_id = await store_call(state="dialing", dial={"state": "dialing", "unknown_since": NINE})
    assert await rows_of(browser, "?state=unknown") == 1
    assert 'data-tone="warn">Unknown' in (await browser.get(f"/calls/{call_id}")).text


async def test_the_callbacks_are_shown_as_they_came(browser, store_call, engine):
    call_id = await store_call(state="ended", dial={"id": "att_1"})
    row = {"attempt_id": "att_1", "kind": "status", "headers": {"content-type": "text/plain"}}
    async with engine.begin() as conn:
        await conn.execute(insert(callbacks).values(row | {"dedupe_key": "1", "body": "CallStatus=ringing&To=%2B1"}))
        await conn.execute(insert(callbacks).values(row | {"dedupe_key": "2", "body": '{"a": "<b>"}'}))
    part = (await browser.get(f"/calls/{call_id}/callbacks")).text
    assert "CallStatus = ringing\nTo = +1" in part
    assert "&#34;a&#34;: &#34;&lt;b&gt;&#34;" in part


# -- live ------------------------------------------------------------------------------------------------------


@pytest.fixture
async def watching(app):
    """Follows a view; the result is asked for the next part with an id."""
    tasks = []

    async def allowed() -> bool:
        return True

    def watch(view):
        messages: asyncio.Queue[tuple[str, dict]] = asyncio.Queue()

        async def follow() -> None:
            async for text in app.state.live_pages.follow(view, still_allowed=allowed):
                for block in text.decode().strip().split("\n\n"):
                    if block.startswith("event: "):
                        event, data = block.split("\n", 1)
                        messages.put_nowait((event.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
            messages.put_nowait(("closed", {}))

        tasks.append(asyncio.create_task(follow()))

        async def next_part(part_id: str, containing: str = "") -> dict:
            async with asyncio.timeout(30):
                while True:
                    event, data = await messages.get()
                    assert event != "closed"
                    if event == "part" and data["id"] == part_id and containing in data["html"]:
                        return data

        return next_part

    yield watch
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def change(engine, call_id, event="state", **values):
    async with engine.begin() as conn:
        if values:
            await conn.execute(update(calls).where(calls.c.id == call_id).values(values))
        await add_event(conn, call_id, event, {"state": values.get("state", "")})


async def test_a_new_call_comes_into_the_list_by_itself(watching, services, tenant, store_call, engine):
    next_part = watching(calls_view(services, tenant.workspace_id))
    call_id = await store_call()
    part = await next_part(f"row-{call_id}", "Queued")
    assert (part["into"], part["place"]) == ("call-rows", "order")
    await change(engine, call_id, state="ringing")
    await next_part(f"row-{call_id}", "Ringing")


async def test_only_calls_that_something_happened_to_are_read_again(services, tenant, store_call):
    ids = [await store_call() for _ in range(3)]
    view = calls_view(services, tenant.workspace_id)
    rows = {f"row-{call_id}" for call_id in ids}
    assert {part.id for part in (await view.render(None)).parts} == rows | {"pause-banner", "alerts-mark"}
    assert [part.id for part in (await view.render(frozenset(ids[:1]))).parts] == [f"row-{ids[0]}"]
    assert (await view.render(frozenset(["call_elsewhere"]))).parts == []


async def test_a_call_is_followed_until_its_recording_is_there(watching, services, tenant, store_call, engine):
    call_id = await store_call(state="in_progress", answered_at=NINE)
    next_part = watching(call_view(services, tenant.workspace_id, call_id))
    await next_part(f"summary-{call_id}", "In progress")
    async with engine.begin() as conn:
        turn = {"speaker": "callee", "text": "Yes.", "start_ms": 500, "end_ms": None}
        await conn.execute(insert(turns).values(call_id=call_id, seq=501, **turn))
        await add_event(conn, call_id, "transcript", {"seq": 501})
    part = await next_part(f"turn-{call_id}-0", "Yes.")
    assert part["into"] == f"transcript-{call_id}"
    await change(engine, call_id, state="ended", end_reason="completed", ended_at=datetime.now(UTC))
    await next_part(f"summary-{call_id}", "Completed")
    await change(engine, call_id, recording="recordings/1.wav")
    await next_part(f"player-{call_id}", "data-player")


async def test_a_long_call_is_shown_whole_to_who_comes_later(watching, services, tenant, store_call):
    said = [f"Sentence {number}." for number in range(300)]
    call_id = await store_call(*said, state="in_progress", answered_at=NINE)
    view = call_view(services, tenant.workspace_id, call_id)
    await watching(view)(f"turn-{call_id}-299")
    await watching(view)(f"turn-{call_id}-299")


async def test_what_is_said_does_not_fill_the_timeline(browser, store_call, engine):
    call_id = await store_call(state="in_progress", answered_at=NINE)
    for _ in range(3):
        await change(engine, call_id, "transcript")
    async with engine.begin() as conn:
        assert len((await conn.execute(select(call_events))).all()) == 4
    assert (await browser.get(f"/calls/{call_id}")).text.count("<li data-tone") == 1


@pytest.mark.parametrize("code", FailureCode)
async def test_a_failed_call_says_what_to_do_next(browser, store_call, code):
    error = {"code": code, "message": "It failed.", "carrier_code": "7"}
    call_id = await store_call(**ended() | {"end_reason": "failed", "answered_at": None, "error": error})
    page = html.unescape((await browser.get(f"/calls/{call_id}")).text)
    summary = page[page.index('aria-label="Summary"') :].split("</section>")[0]
    assert ">The call failed<" in summary
    assert "It failed." in summary
    assert AFTER_FAILURE[code] in summary


@pytest.mark.parametrize(("answered_at", "hidden"), [(None, True), (NINE, False)])
async def test_nobody_is_said_to_have_answered_where_nobody_did(browser, store_call, answered_at, hidden):
    values = ended() | {"end_reason": "canceled", "answered_at": answered_at}
    page = (await browser.get(f"/calls/{await store_call(**values)}")).text
    card = re.search(r'<section class="card" id="answered-[^>]*>', page)
    assert card is not None
    assert (" hidden" in card[0]) is hidden
    assert "<dt>Answered by</dt>" not in page  # nobody looked


async def test_what_was_sent_and_what_was_noted_stand_apart(browser, store_call):
    values = {"variables": {"plan": "sent value"}, "noted": {"plan": "noted value"}}
    page = (await browser.get(f"/calls/{await store_call(**ended() | values)}")).text
    noted, _, sent = page[page.index(">Noted during the call<") :].partition(">Sent with the call<")
    assert ("noted value" in noted, "sent value" in noted) == (True, False)
    assert ("noted value" in sent, "sent value" in sent) == (False, True)


async def test_a_call_shows_how_long_its_vendors_of_speech_were_waited_for(browser, store_call, engine):
    call_id = await store_call(**ended())
    async with engine.begin() as conn:
        voice = {"part": "voice", "vendor": "cartesia", "characters": 412, "dollars": None, "took_ms": [210, 190, 1480]}
        await add_event(conn, call_id, "speech_used", voice)
        heard = {"part": "recognition", "vendor": "deepgram", "audio_ms": 9000, "open_ms": 9500, "took_ms": []}
        await add_event(conn, call_id, "speech_used", heard)
    page = (await browser.get(f"/calls/{call_id}")).text
    assert "<dt>First audio after</dt><dd>210 ms (median), 1,480 ms at most, 3 times</dd>" in page
    assert "Words after" not in page
