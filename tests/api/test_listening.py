"""Listening in over HTTP: who may, and for how long; what comes; and the notice of it."""

import asyncio
import socket
import struct

import httpx
import pytest
from sqlalchemy import func, insert, select, update

from conversation.peers import Stage
from outdial.api.app import create_health
from outdial.api.listening_elsewhere import OtherProcesses
from outdial.db.tables import attempts, audit_log, calls, members, sign_ins, workers
from outdial.ids import new_id
from outdial.live.listening_in.joining import ListeningIn
from outdial.members.store import change_role
from outdial.workspaces.access import Role, Scope
from outdial.workspaces.api_keys import create_api_key
from outdial.workspaces.audit import COMMAND_LINE
from outdial.workspaces.listening import Announce, ListeningNotice, change_listening_notice
from tenants import E164, make_tenant

GREETING = "Hello Jane, this is the clinic."
ENDS_WITHIN_S = 8.0  # what a sign-in is remembered, what it is looked at, and a busy computer's time


class Talk:
    """A call that goes on until `done`, in the memory of this process."""

    def __init__(self, call_id: str) -> None:
        self.call_id = call_id
        self.done = asyncio.Event()
        self.stage = Stage(self._agent)

    async def _agent(self, call) -> None:
        await call.say(GREETING)
        await self.done.wait()

    def session(self, call_id):
        return self.stage.session if call_id == self.call_id else None


@pytest.fixture
async def talk(app, engine, tenant):
    call_id = new_id("call")
    row = {
        "id": call_id,
        "workspace_id": tenant.workspace_id,
        "number_id": tenant.number_id,
        "direction": "outbound",
        "state": "in_progress",
        "from_": E164,
        "to": "+15551234567",
        "ring_timeout_s": 30,
        "max_duration_s": 600,
    }
    notice = ListeningNotice(announce=Announce.NEVER)
    await change_listening_notice(engine, tenant.workspace_id, notice, by=COMMAND_LINE)
    async with engine.begin() as conn:
        await conn.execute(insert(calls).values(row))
        attempt = {"id": new_id("att"), "call_id": call_id, "number": 1, "carrier": "twilio", "state": "in_progress"}
        at = await conn.scalar(select(calls.c.created_at))
        stream = {"owner": "worker_1", "stream_opened_at": at, "stream_token_hash": b"used"}
        await conn.execute(insert(attempts).values(attempt | stream))
    talk = Talk(call_id)
    app.state.listening_in = ListeningIn(engine, talk)
    going_on = asyncio.create_task(talk.stage.session.run(10.0))
    talk.stage.carrier.start()
    yield talk
    talk.done.set()
    await going_on
    talk.stage.media_line.close()
    await app.state.listening_in.aclose()


def blocks(body: bytes):
    at, found = 0, []
    while at < len(body):
        began_ms, size = struct.unpack_from(">IH", body, at)
        at += 6
        found.append((began_ms, body[at : at + size], body[at + size : at + 2 * size]))
        at += 2 * size
    assert at == len(body)
    return found


async def test_an_editor_hears_both_sides_until_the_call_ends(browser_of, talk):
    browser = await browser_of(Role.EDITOR)
    listening = asyncio.create_task(browser.post(f"/v1/calls/{talk.call_id}/listen"))
    await asyncio.sleep(0.3)
    talk.stage.callee_says("Yes?", 300)
    await asyncio.sleep(1.2)
    talk.stage.media_line.close()
    answer = await listening
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store, no-transform"
    assert answer.headers["x-accel-buffering"] == "no"
    heard = blocks(answer.content)
    assert [at for at, _, _ in heard] == list(range(heard[0][0], heard[-1][0] + 100, 100))
    silent = b"\xff" * 800
    assert any(callee != silent for _, callee, _ in heard)
    assert any(agent != silent for _, _, agent in heard)


@pytest.mark.parametrize("scope", Scope)
async def test_no_key_listens(app, engine, tenant, talk, scope):
    made = await create_api_key(engine, tenant.workspace_id, name="x", scope=scope, by=COMMAND_LINE)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="https://voice.example", headers={"Authorization": made["key"]}
    ) as program:
        answer = await program.post(f"/v1/calls/{talk.call_id}/listen")
        assert (answer.status_code, answer.json()["code"]) == (403, "people_only")
        answer = await program.put("/v1/listening-notice", json={"announce": "never"})
        assert (answer.status_code, answer.json()["code"]) == (403, "people_only")


async def test_whoever_may_not_hears_nothing(app, browser_of, engine, talk):
    url = f"/v1/calls/{talk.call_id}/listen"
    viewer = await browser_of(Role.VIEWER)
    assert (await viewer.post(url)).json()["code"] == "role_too_low"
    from_elsewhere = await browser_of(Role.OPERATOR, csrf=False)
    assert (await from_elsewhere.post(url)).json()["code"] == "csrf"
    other_site = await browser_of(Role.OPERATOR)
    answer = await other_site.post(url, headers={"Origin": "https://evil.example"})
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf")
    stranger = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://voice.example")
    assert (await stranger.post(url)).status_code == 401
    assert (await stranger.get(url)).status_code == 405
    await stranger.aclose()
    async with engine.connect() as conn:
        acts = set(await conn.scalars(select(audit_log.c.act)))
    assert "call.listening_began" not in acts


async def test_a_call_of_another_workspace_is_none(browser_of, engine, talk):
    other = await make_tenant(engine)
    async with engine.begin() as conn:
        await conn.execute(update(calls).values(workspace_id=other.workspace_id))
    browser = await browser_of(Role.OPERATOR)
    answer = await browser.post(f"/v1/calls/{talk.call_id}/listen")
    assert (answer.status_code, answer.json()["code"]) == (404, "call_not_found")


async def demoted(engine, tenant, person):
    await change_role(engine, tenant.workspace_id, person.person_id, Role.VIEWER, by=COMMAND_LINE)


async def signed_out(engine, tenant, person):
    async with engine.begin() as conn:
        await conn.execute(sign_ins.delete().where(sign_ins.c.id == person.sign_in_id))


async def removed(engine, tenant, person):
    async with engine.begin() as conn:
        await conn.execute(members.delete().where(members.c.person_id == person.person_id))


@pytest.mark.parametrize("end", [demoted, signed_out, removed])
async def test_listening_ends_within_seconds_for_who_may_no_more(browser_of, engine, tenant, talk, end):
    browser = await browser_of(Role.EDITOR)
    listening = asyncio.create_task(browser.post(f"/v1/calls/{talk.call_id}/listen"))
    await asyncio.sleep(0.3)
    assert not listening.done()
    await end(engine, tenant, browser.signed_in)
    answer = await asyncio.wait_for(listening, ENDS_WITHIN_S)
    assert answer.status_code == 200
    assert not talk.stage.media_line.closed  # the call goes on
    assert talk.stage.media_line._listeners == [talk.stage.session]


async def test_a_process_without_the_calls_audio_says_so(app, browser_of, engine, talk):
    app.state.listening_in = ListeningIn(engine, None)
    browser = await browser_of(Role.EDITOR)
    answer = await browser.post(f"/v1/calls/{talk.call_id}/listen")
    assert (answer.status_code, answer.json()["code"]) == (409, "media_elsewhere")
    assert "another process" in answer.json()["message"]


@pytest.fixture
async def elsewhere(app, engine, services, talk):
    """The process that has the call's audio; the one that is asked (`app`) hasn't."""
    other = create_health(services, holds_calls=True)
    other.state.listening_in, app.state.listening_in = app.state.listening_in, ListeningIn(engine, None)
    app.state.other_processes = OtherProcesses(engine=engine, transport=httpx.ASGITransport(other))
    worker = {
        "id": "worker_1",
        "lock_key": 1,
        "host": socket.gethostname(),
        "pid": 1,
        "internal_url": "http://127.0.0.1:8082",
        "lease_s": 60,
        "seen_at": func.now(),
    }
    async with engine.begin() as conn:
        await conn.execute(insert(workers).values(worker))
    yield other
    app.state.listening_in = other.state.listening_in


async def test_a_call_is_heard_by_way_of_whichever_process_is_asked(browser_of, talk, elsewhere):
    browser = await browser_of(Role.EDITOR)
    listening = asyncio.create_task(browser.post(f"/v1/calls/{talk.call_id}/listen"))
    await asyncio.sleep(0.3)
    talk.stage.callee_says("Yes?", 300)
    await asyncio.sleep(0.7)
    talk.stage.media_line.close()
    answer = await listening
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["cache-control"] == "no-store, no-transform"
    assert answer.headers["x-accel-buffering"] == "no"
    assert any(callee != b"\xff" * 800 for _, callee, _ in blocks(answer.content))


async def test_a_process_without_the_api_can_be_listened_to_and_nothing_more(elsewhere):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(elsewhere), base_url="http://127.0.0.1:8082") as http:
        assert (await http.get("/v1/listening-notice")).status_code == 404
        assert (await http.get("/v1/calls")).status_code == 404


async def test_the_process_that_has_the_call_asks_again_who_listens(browser_of, engine, talk, elsewhere):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(elsewhere), base_url="http://127.0.0.1:8082") as http:
        url = f"/v1/calls/{talk.call_id}/listen"
        assert (await http.post(url, headers={"X-Outdial-Relayed": "1"})).status_code == 401
        viewer = await browser_of(Role.VIEWER)
        http.cookies, http.headers = viewer.cookies, viewer.headers
        told = await http.post(url, headers={"X-Outdial-Relayed": "1", "Host": "voice.example"})
        assert (told.status_code, told.json()["code"]) == (403, "role_too_low")


@pytest.mark.parametrize(
    ("worker", "headers"),
    [
        ({}, {"X-Outdial-Relayed": "1"}),  # it has gone on once, and is here again
        ({"internal_url": None}, {}),
        ({"host": "another-machine"}, {}),  # whose loopback isn't ours
        ({"seen_at": None}, {}),
    ],
)
async def test_a_request_goes_on_once_and_only_to_a_worker_that_can_be_reached(
    browser_of, engine, talk, elsewhere, worker, headers
):
    if worker:
        async with engine.begin() as conn:
            await conn.execute(update(workers).values(**worker))
    browser = await browser_of(Role.EDITOR)
    answer = await browser.post(f"/v1/calls/{talk.call_id}/listen", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "media_elsewhere")


async def test_the_notice_is_what_operators_make_it(browser_of, client, tenant):
    assert (await client.get("/v1/listening-notice")).json() == {"announce": "on_join", "text": None}
    operator, editor = await browser_of(Role.OPERATOR), await browser_of(Role.EDITOR)
    new = {"announce": "at_start", "text": "We may listen."}
    assert (await editor.put("/v1/listening-notice", json=new)).status_code == 403
    assert (await operator.put("/v1/listening-notice", json=new)).json() == new
    assert (await client.get("/v1/listening-notice")).json() == new
    (entry,) = (await client.get("/v1/audit-log?act=listening")).json()["entries"]
    assert entry["details"] == new | {"before": "on_join"}
    too_long = {"announce": "never", "text": "x" * 301}
    for wrong in ({"announce": "always"}, {}, {"announce": "never", "text": ""}, too_long):
        assert (await operator.put("/v1/listening-notice", json=wrong)).status_code == 422
    back = {"announce": "on_join", "text": None}
    assert (await operator.put("/v1/listening-notice", json=back)).json() == back


@pytest.mark.parametrize(
    ("verb", "body", "act"),
    [
        ("say", {"text": "The doctor is late."}, "call.sentence_asked"),
        ("whisper", {"text": "Be brief."}, "call.whisper_asked"),
        ("take-over", {"to": "+15551230009"}, "call.take_over_asked"),
        ("transfer", {"to": "+15551230009"}, "call.transfer_asked"),
    ],
)
async def test_who_spoke_whispered_or_took_over_is_in_the_audit_log(browser_of, client, talk, verb, body, act):
    browser = await browser_of(Role.EDITOR)
    await browser.post(f"/v1/calls/{talk.call_id}/{verb}", json=body)
    entry = (await client.get(f"/v1/audit-log?act={act}")).json()["entries"][0]
    assert (entry["actor"]["name"], entry["subject"]["id"]) == ("Editor", talk.call_id)
    assert entry["details"] == {}  # neither words nor numbers
