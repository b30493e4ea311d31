"""Settings, Who answered; and what a call's page shows of it."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import insert, update

from compared_dials import compared_dial
from outdial.clock import now
from outdial.db.tables import attempts, call_events, calls
from outdial.telephony.verdict import AnsweredBy, WhoAnswered
from outdial.workspaces.access import Role

PATH = "/settings/who-answered"


@pytest.fixture
def compared(engine, tenant):
    async def compared(local, theirs, lead_ms=None, truth=None, **columns):
        at = now() - timedelta(minutes=5)
        return await compared_dial(engine, tenant, local, theirs, lead_ms, truth, **({"at": at} | columns))

    return compared


async def test_nothing_to_compare_is_said(viewer):
    page = (await viewer.get(PATH)).text
    assert "Nothing to compare yet" in page
    assert "OUTDIAL_AMD_BY=carrier" in page


async def test_a_carrier_that_there_is_not_lists_those_of_all(viewer, compared):
    differs = await compared("machine", "human", 1500)
    assert f'href="/calls/{differs}"' in (await viewer.get(f"{PATH}?carrier=acme")).text


async def test_figures_lead_to_their_calls(viewer, compared):
    differs = await compared("machine", "human", 1500, "machine", local_revisions=1)
    alike = await compared("human", "human", 800)
    await compared("human", "human", 800, carrier="telnyx")
    page = (await viewer.get(PATH)).text
    assert "All carriers" in page
    assert "66.7%" in page
    assert f'href="/calls/{differs}"' in page
    assert f'href="/calls/{alike}"' not in page
    assert "Outdial, by 1.5 s" in page
    (cell,) = set(re.findall(r'href="([^"]*local=machine[^"]*carrier=twilio[^"]*)"', page))
    cell_page = (await viewer.get(cell.replace("&amp;", "&"))).text
    assert f'href="/calls/{differs}"' in cell_page
    assert "Calls: outdial: machine, the carrier: human, Twilio" in cell_page
    assert "/v1/who-answered/calls.csv?which=both&amp;local=machine&amp;carrier_said=human" in cell_page
    labelled = (await viewer.get(f"{PATH}?which=labelled&days=7")).text
    assert f'href="/calls/{differs}"' in labelled
    assert "Older" not in labelled


async def test_a_long_list_has_pages(viewer, compared):
    for _ in range(26):
        await compared("machine", "human")
    page = (await viewer.get(PATH)).text
    (older,) = re.findall(r'rel="next" href="([^"]+)"', page)
    rest = (await viewer.get(older.replace("&amp;", "&"))).text
    assert len(re.findall(r'href="/calls/call_', page)) == 25
    assert len(re.findall(r'href="/calls/call_', rest)) == 1
    assert "Newest" in rest


@pytest.fixture
async def answered(engine, compared):
    """A call with a verdict of each detector, with or without a recording."""

    async def answered(recording=None):
        call_id = await compared("machine", "human")
        at = now() - timedelta(minutes=5)
        beep = "beep at 6.2 s, 1000 Hz"
        carrier = WhoAnswered(category=AnsweredBy.HUMAN, evidence=("twilio:human",), after_answer_ms=3400)
        local = WhoAnswered(
            category=AnsweredBy.MACHINE, evidence=(beep,), after_answer_ms=6700, heard_ms={beep: 6200}
        )
        known = {"answered_at": at, "recording": recording, "answered_by": local.to_json(), "ended_at": at}
        async with engine.begin() as conn:
            await conn.execute(update(calls).values(end_reason="completed", **known))
            await conn.execute(update(attempts).values(answered_at=at, audio_started_at=at))
            for by, who in (("carrier", carrier), ("local", local)):
                event = {"call_id": call_id, "type": "verdict", "data": {"by": by, **who.to_json()}}
                await conn.execute(insert(call_events).values(event))
        return call_id

    return answered


async def test_evidence_leads_to_its_place_on_the_recording(viewer, answered):
    call_id = await answered("recordings/a.wav")
    page = (await viewer.get(f"/calls/{call_id}")).text
    marks = re.findall(r'<li data-kind="(\w+)" data-at-ms="(\d+)">', page)
    assert marks == [("verdict", "3400"), ("heard", "6200"), ("verdict", "6700")]
    assert f'href="/calls/{call_id}#t=6.2"' in page
    assert "The carrier says: human" in page  # the timeline
    assert "data-wave-marks" in page


async def test_without_a_recording_it_is_a_list_with_times(viewer, answered):
    page = (await viewer.get(f"/calls/{await answered()}")).text
    assert "What was heard, and when" in page
    assert '<span class="at">0:06.2</span>' in page
    assert "#t=6.2" not in page


async def test_an_editor_says_who_it_was_and_a_viewer_sees_it(browser_of, answered):
    call_id = await answered()
    editor, viewer = await browser_of(Role.EDITOR), await browser_of(Role.VIEWER)
    page = (await editor.get(f"/calls/{call_id}")).text
    assert f'data-api="PUT /v1/calls/{call_id}/truth"' in page
    assert (await viewer.put(f"/v1/calls/{call_id}/truth", json={"category": "human"})).status_code == 403
    await editor.put(f"/v1/calls/{call_id}/truth", json={"category": "human"})
    page = (await viewer.get(f"/calls/{call_id}")).text
    assert "A person answered." in page
    assert "Differs" in page
    log = (await viewer.get("/settings/audit-log?act=truth")).text
    assert "Said who truly answered a call" in log
