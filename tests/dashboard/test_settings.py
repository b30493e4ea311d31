import re

import pytest
from sqlalchemy import func, select, update

from outdial.dashboard import audit_words, browsers
from outdial.db.tables import agent_versions, carrier_accounts
from outdial.lines.workspace_pools import create_workspace
from outdial.policy.destinations import allow_country_of
from outdial.workspaces.access import Role
from outdial.workspaces.audit import Actor, ActorKind
from seats import set_worker

SCRIPT = "steps: {a: {hang_up: Goodbye.}}"
PAGES = [
    "/settings",
    *(
        f"/settings/{page}"
        for page in (
            "destinations", "listening", "privacy", "api-keys", "carriers", "secrets", "speech", "members", "audit-log",
            "me", "who-answered",
        )
    ),
]


@pytest.fixture
async def operator(browser_of):
    return await browser_of(Role.OPERATOR)


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("role", Role)
async def test_everybody_may_look_and_is_told_where_they_are(browser_of, path, role):
    answer = await (await browser_of(role)).get(path)
    assert answer.status_code == 200
    assert re.search(rf'href="{path}" aria-current="page"', answer.text)
    for other in PAGES:
        assert f'href="{other}"' in answer.text


@pytest.mark.parametrize(
    ("path", "act"),
    [
        ("/settings", "PATCH /v1/workspace"),
        ("/settings", "PUT /v1/spend-limit"),
        ("/settings/destinations", "PUT /v1/daily-limit"),
        ("/settings/destinations", "POST /v1/destinations"),
        ("/settings/destinations", "DELETE /v1/destinations/%2B1"),
        ("/settings/listening", "PUT /v1/listening-notice"),
        ("/settings/privacy", "PUT /v1/retention"),
        ("/settings/privacy", "PUT /v1/agents/{agent_id}/retention"),
        ("/settings/privacy", "POST /v1/erase"),
        ("/settings/api-keys", "POST /v1/api-keys"),
        ("/settings/api-keys", "PATCH /v1/api-keys/"),
        ("/settings/api-keys", "DELETE /v1/api-keys/"),
        ("/settings/carriers", "PATCH /v1/carrier-accounts/"),
        ("/settings/secrets", "PUT /v1/secrets/{name}"),
        ("/settings/speech", "PUT /v1/secrets/deepgram_api_key"),
        ("/settings/speech", "POST /v1/speech-vendors/cartesia/check?part=voice"),
        ("/settings/members", "POST /v1/members"),
        ("/settings/members", "PATCH /v1/members/"),
        ("/settings/members", "DELETE /v1/members/"),
    ],
)
async def test_only_operators_are_offered_changes(operator, editor, viewer, path, act):
    assert act in (await operator.get(path)).text
    assert act not in (await editor.get(path)).text
    assert act not in (await viewer.get(path)).text


async def test_a_secret_is_listed_with_who_uses_it_and_never_with_its_value(operator, engine):
    await operator.put("/v1/secrets/weather_key", json={"value": "wk-2f9d0c", "hosts": ["api.weather.example"]})
    page = (await operator.get("/settings/secrets")).text
    assert "api.weather.example" in page
    assert "No agent" in page
    assert "wk-2f9d0c" not in page
    assert "Can&#39;t be read" not in page
    log = (await operator.get("/settings/audit-log?act=secret")).text
    assert "Set a secret" in log
    assert "wk-2f9d0c" not in log
    agent = (await operator.post("/v1/agents", json={"name": "Front desk", "source": SCRIPT})).json()
    async with engine.begin() as conn:
        version = agent_versions.c.agent_id == agent["id"]
        source = 'headers: {key: "{secret:weather_key}"}'
        await conn.execute(update(agent_versions).where(version).values(source=source))
    page = (await operator.get("/settings/secrets")).text
    assert f'<a href="/agents/{agent["id"]}">Front desk</a>' in page
    assert "Needed by: Front desk." in page


async def test_the_plan_in_use_is_chosen(operator):
    await operator.patch("/v1/workspace", json={"lines": 7, "reserved_inbound": 2})
    page = (await operator.get("/settings")).text
    assert re.search(r'value="custom" checked', page)
    assert "Custom, 7 lines" in page
    await operator.patch("/v1/workspace", json={"plan": "pro"})
    assert re.search(r'value="pro" checked', (await operator.get("/settings")).text)


async def test_destinations_are_shown_with_what_to_think_of_them(operator):
    for destination in ("US", "+1900"):
        assert (await operator.post("/v1/destinations", json={"destination": destination})).status_code == 201
    page = (await operator.get("/settings/destinations")).text
    assert '<span data-country="US">US</span>' in page
    assert re.search(r'data-tone="warn">Premium</span>', page)
    assert "Lets in premium numbers" in page
    assert "Lets in numbers of 25 countries" in page  # of +1
    assert "Added on the server" in page


async def test_what_a_key_brought_says_by_whose_calls_it_holds(operator, engine, tenant):
    async with engine.begin() as conn:
        account_id = await conn.scalar(select(carrier_accounts.c.id))
        key = Actor(kind=ActorKind.API_KEY, id="key_1", name="Backend")
        await allow_country_of(conn, tenant.workspace_id, "+18765550100", account_id, by=key)
    page = (await operator.get("/settings/destinations")).text
    assert re.search(r"For calls through Twilio AC1 alone", page)


async def test_the_daily_limit_and_what_is_used_of_it(operator):
    assert "2,000 calls" in (await operator.get("/settings/destinations")).text
    await operator.put("/v1/daily-limit", json={"calls": None})
    page = (await operator.get("/settings/destinations")).text
    assert "<dd>None</dd>" in page
    assert "Today so far" not in page


async def test_a_key_itself_is_never_on_the_page(operator):
    key = (await operator.post("/v1/api-keys", json={"name": "Zapier <b>"})).json()
    page = (await operator.get("/settings/api-keys")).text
    assert "Zapier &lt;b&gt;" in page
    assert key["hint"] in page
    assert key["key"] not in page
    await operator.delete(f"/v1/api-keys/{key['id']}")
    page = (await operator.get("/settings/api-keys")).text
    assert "1 revoked key" in page
    assert f"DELETE /v1/api-keys/{key['id']}" not in page


async def test_a_new_key_places_calls_and_no_more_unless_somebody_chooses_otherwise(operator):
    page = (await operator.get("/settings/api-keys")).text
    assert re.findall(r'name="scope" value="(\w+)" (checked)?', page) == [
        ("place_calls", "checked"),
        ("read", ""),
        ("operator", ""),
    ]


async def test_each_key_is_shown_with_its_scope(operator, viewer):
    key = (await operator.post("/v1/api-keys", json={"name": "Zapier", "scope": "place_calls"})).json()
    page = (await operator.get("/settings/api-keys")).text
    form = page.partition(f'data-api="PATCH /v1/api-keys/{key["id"]}"')[2].partition("</form>")[0]
    assert re.findall(r'<option value="(\w+)" selected>', form) == ["place_calls"]
    assert '<td data-label="Scope">Place calls' in re.sub(r">\s+", ">", (await viewer.get("/settings/api-keys")).text)
    await operator.patch(f"/v1/api-keys/{key['id']}", json={"scope": "read"})
    assert "Changed the scope of an API key" in (await operator.get("/settings/audit-log?act=api_key")).text
    await operator.delete(f"/v1/api-keys/{key['id']}")
    assert '<td data-label="Scope">Read</td>' in (await operator.get("/settings/api-keys")).text


async def test_credentials_are_never_on_the_page(operator, services, tenant):
    page = (await operator.get("/settings/carriers")).text
    assert "AC1" in page
    assert 'name="credentials.auth_token" type="password" value=""' in page


async def test_members_are_listed_with_their_roles(operator, viewer):
    page = (await viewer.get("/settings/members")).text
    assert "Operator" in page
    assert "(you)" in page
    page = (await operator.get("/settings/members")).text
    assert re.search(r'<option value="viewer" selected>', page)


async def test_the_audit_log_is_told_in_words_page_by_page(operator):
    for lines in range(1, 53):
        await operator.patch("/v1/workspace", json={"lines": lines})
    page = (await operator.get("/settings/audit-log?act=plan")).text
    assert "Changed the plan" in page
    assert "Made an API key" not in page
    older = re.search(r'href="(/settings/audit-log\?cursor=[^"]+)"', page).group(1).replace("&amp;", "&")
    page = (await operator.get(older)).text
    assert page.count("Changed the plan") == 2
    assert "Newest" in page
    assert "Older" not in page


async def test_a_wrong_cursor_is_a_page_that_says_so(operator):
    answer = await operator.get("/settings/audit-log?cursor=x")
    assert answer.status_code == 422
    assert "cursor" in answer.text


def test_an_act_that_has_no_words_yet_is_told_as_it_is():
    entry = {"act": "something.new", "subject": {"id": "x", "name": ""}, "details": {"e164": "+1", "carrier": "twilio"}}
    assert audit_words.words(entry) == {
        "what": "something.new",
        "href": None,
        "facts": [("number", "+1"), ("carrier", "Twilio")],
    }


async def test_my_page_asks_who_came_by_a_link_for_a_password_only(operator):
    page = (await operator.get("/settings/me")).text
    assert "Set a password" in page
    assert "old_password" not in page
    assert "This browser" in page
    await operator.post("/v1/me/password", json={"password": "a long sentence"})
    page = (await operator.get("/settings/me")).text
    assert "Change the password" in page
    assert "old_password" in page


@pytest.mark.parametrize(
    ("user_agent", "said"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 "
            "Safari/537.36 Edg/140.0.0.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/18.0 Mobile/15E148 Safari/604.1",
            "Safari on iPhone",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/140.0.0.0 Safari/537.36",
            "Chrome on macOS",
        ),
        ("", "Unknown browser"),
    ],
)
def test_browsers_are_called_what_people_call_them(user_agent, said):
    assert browsers.in_words(user_agent) == said


async def test_operators_see_the_workers_and_who_operates_every_workspace_where_they_run(browser_of, engine):
    await set_worker(engine, "worker_seats", host="one.example", live=7, version="0.2.0")
    operator = await browser_of(Role.OPERATOR)
    page = (await operator.get("/settings/workers")).text
    assert ("worker_seats" in page, "one.example" in page) == (True, True)
    assert "POST /v1/workers/worker_seats/drain" in page
    await set_worker(engine, "worker_seats", drain_requested_at=func.now())
    assert "POST /v1/workers/worker_seats/undrain" in (await operator.get("/settings/workers")).text
    await create_workspace(engine, name="Others", lines=1)
    page = (await operator.get("/settings/workers")).text
    assert ("worker_seats" in page, "one.example" in page, "/v1/workers/" in page) == (True, False, False)
    editor = await browser_of(Role.EDITOR)
    assert (await editor.get("/settings/workers")).status_code == 403
    assert "/settings/workers" not in (await editor.get("/settings")).text
