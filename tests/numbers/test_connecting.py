"""Connecting numbers at accounts of all three carriers, in the simulator."""

from dataclasses import replace

import pytest
from sqlalchemy import delete, select

from outdial.accounts.access import open_number_control
from outdial.agents.script.examples import load_example
from outdial.agents.store import create_agent
from outdial.carriers.errors import CarrierRefused
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS as KINDS
from outdial.carriers.twilio.numbers import TwilioNumbers
from outdial.db.tables import agents, carrier_accounts, numbers
from outdial.lines.workspace_pools import create_workspace
from outdial.numbers.connecting import Connector
from outdial.numbers.store import add_number, change_number
from outdial.refusals import Conflict, Invalid, NotFound, Unavailable
from outdial.telephony.failures import FailureCode
from outdial.workspaces.audit import COMMAND_LINE, list_audit
from secret_box import BOX
from simulated_accounts import FIRST, SECOND, URL, VERIFIED

CARRIERS = tuple(KINDS)
TWILIO = CarrierName("twilio")
STRANGE = "+15559999999"  # nobody's
OTHER_REGION = {carrier: kind.regions[1] for carrier, kind in KINDS.items()}
SECRET = {"twilio": "auth_token", "vonage": "api_secret", "telnyx": "api_key"}


@pytest.fixture
def stored(engine, connector):
    """The credentials of the one account, and its id."""

    async def read():
        async with engine.connect() as conn:
            row = (await conn.execute(select(carrier_accounts))).one()
        return connector.secret_box.decrypt(row.credentials), row.id

    return read


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_check_tells_what_would_change_and_changes_nothing(
    new_number, connector, accounts, workspace_id, carrier, engine
):
    for _ in range(2):
        check = await connector.check(workspace_id, new_number(carrier))
        assert check["problems"] == []
        assert check["answered_by"] == "nothing"
        assert any(f"{URL}/callbacks/{carrier}/accounts/acct_" in change for change in check["changes"])
    async with engine.connect() as conn:
        assert (await conn.execute(select(carrier_accounts))).all() == []
    assert accounts.opened == accounts.closed


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_connected_number_is_announced_to_us_and_a_removed_one_as_before(
    new_number, connector, accounts, workspace_id, connect, stored, carrier
):
    check = await connector.check(workspace_id, new_number(carrier))
    number = await connect(carrier)
    credentials, account_id = await stored()
    inbound_url = f"{URL}/callbacks/{carrier}/accounts/{account_id}/inbound"
    assert await accounts.answered_by(carrier, FIRST, credentials) == inbound_url
    assert any(inbound_url in change for change in check["changes"]), "what was told is what was done"
    removed = await connector.remove(workspace_id, number["id"], by=COMMAND_LINE)
    assert removed == {"id": number["id"], "carrier": "restored", "message": None}
    again = await connector.check(workspace_id, new_number(carrier))
    assert (again["answered_by"], again["problems"]) == ("nothing", [])
    assert accounts.opened == accounts.closed


@pytest.mark.parametrize("carrier", [CarrierName("vonage"), CarrierName("telnyx")])
async def test_what_was_made_for_the_first_number_is_used_for_the_second(connect, stored, accounts, carrier):
    await connect(carrier)
    first, _ = await stored()
    assert first.items() > accounts.credentials[carrier].items()
    await connect(carrier, SECOND)
    assert (await stored())[0] == first


@pytest.mark.parametrize("carrier", [CarrierName("vonage"), CarrierName("telnyx")])
@pytest.mark.parametrize("options", [{}, {"configure_carrier": False}])
async def test_what_was_made_for_the_first_number_goes_with_the_last(
    connect, connector, accounts, workspace_id, engine, stored, carrier, options
):
    applications = {"vonage": accounts.app.vonage, "telnyx": accounts.app.telnyx}[carrier].applications
    before = set(applications)
    first = await connect(carrier)
    second = await connect(carrier, SECOND, **options)
    (made,) = set(applications) - before
    assert (await connector.remove(workspace_id, first["id"], by=COMMAND_LINE))["carrier"] == "restored"
    assert made in applications, "the other number calls through it"
    assert made in (await stored())[0].values()
    await connector.remove(workspace_id, second["id"], by=COMMAND_LINE)
    assert made not in applications


@pytest.mark.parametrize("carrier", [CarrierName("vonage"), CarrierName("telnyx")])
async def test_a_number_that_came_back_goes_like_every_other(connect, connector, accounts, workspace_id, carrier):
    first = await connect(carrier)
    second = await connect(carrier, SECOND)
    await connector.remove(workspace_id, first["id"], by=COMMAND_LINE)
    again = await connect(carrier)
    await connector.remove(workspace_id, second["id"], by=COMMAND_LINE)
    applications = {"vonage": accounts.app.vonage, "telnyx": accounts.app.telnyx}[carrier].applications
    assert len(applications) == 2
    assert (await connector.remove(workspace_id, again["id"], by=COMMAND_LINE))["carrier"] == "restored"
    assert len(applications) == 1


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_number_is_connected_in_the_region_that_is_named(connect, accounts, carrier, engine):
    region = OTHER_REGION[carrier]
    await connect(carrier, region=region.name)
    await connect(carrier, SECOND)
    assert set(accounts.asked) == {region.url}
    async with engine.connect() as conn:
        assert (await conn.execute(select(carrier_accounts.c.region, carrier_accounts.c.base_url))).one() == (
            region.name, None,
        )


async def test_an_account_has_one_region(new_number, connect, connector, workspace_id):
    await connect(TWILIO)
    await connect(TWILIO, SECOND, region="us1")  # which it has
    with pytest.raises(Conflict, match="other_region"):
        await connect(TWILIO, VERIFIED, region="ie1")
    check = await connector.check(workspace_id, new_number(TWILIO, VERIFIED, region="ie1"))
    assert [problem["code"] for problem in check["problems"]] == ["other_region"]


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_region_the_carrier_does_not_have_is_refused_with_those_it_has(
    new_number, connector, connect, accounts, carrier, workspace_id
):
    for ask in (
        connect(carrier, region="mars"),
        connector.check(workspace_id, new_number(carrier, region="mars")),
    ):
        with pytest.raises(Invalid) as refused:
            await ask
        assert refused.value.field == "region"
        assert OTHER_REGION[carrier].name in refused.value.message
    assert accounts.opened == 0


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_base_url_is_the_root_of_the_carriers_api_with_or_without_its_version(connect, accounts, carrier):
    versions = {"twilio": "/2010-04-01", "vonage": "", "telnyx": "/v2/"}
    await connect(carrier, base_url="http://127.0.0.1:8090" + versions[carrier])
    assert set(accounts.asked) == {"http://127.0.0.1:8090"}
    for wrong in ("127.0.0.1:8090", "http://", "ftp://x", "http://x/v9", "http://u:p@x", "https://x?y=1", "\0", ""):
        with pytest.raises(Invalid) as refused:
            await connect(carrier, SECOND, base_url=wrong)
        assert refused.value.field == "base_url", wrong
    with pytest.raises(Invalid, match="invalid_request") as refused:
        await connect(carrier, SECOND, region=OTHER_REGION[carrier].name, base_url="http://127.0.0.1:8090")
    assert refused.value.field == "region"


async def test_newer_credentials_replace_older_ones(connect, stored, accounts):
    await connect(TWILIO, credentials=accounts.credentials[TWILIO] | {"next_auth_token": "next"})
    await connect(TWILIO, SECOND)
    assert (await stored())[0] == accounts.credentials[TWILIO]


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_wrong_credentials_are_the_users_to_mend(new_number, connector, connect, accounts, workspace_id, carrier):
    wrong = accounts.credentials[carrier] | {SECRET[carrier]: "wrong"}
    with pytest.raises(Invalid) as refused:
        await connect(carrier, credentials=wrong)
    assert refused.value.field == "credentials"
    assert refused.value.message.endswith(".")
    check = await connector.check(workspace_id, new_number(carrier, credentials=wrong))
    assert [problem["code"] for problem in check["problems"]] == ["credentials_refused"]


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_number_of_another_account_is_refused(new_number, connector, connect, workspace_id, carrier):
    with pytest.raises(Conflict) as refused:
        await connect(carrier, STRANGE)
    assert refused.value.code == "number_not_owned"
    check = await connector.check(workspace_id, new_number(carrier, STRANGE))
    assert [problem["code"] for problem in check["problems"]] == ["number_not_owned"]


async def test_a_number_on_a_sip_trunk_is_refused_with_what_to_do(connect, accounts):
    accounts.app.account.number_at(FIRST).trunk_sid = "TK1"
    with pytest.raises(Conflict, match="number_in_use") as refused:
        await connect(TWILIO)
    assert "Remove it from the trunk" in refused.value.message


async def test_a_carriers_own_refusal_has_the_word_a_call_would_have(new_number, connector, accounts, workspace_id):
    def open_(carrier, credentials, base_url):
        client = accounts.open(carrier, credentials, base_url)

        async def connect(*args, **urls):
            raise CarrierRefused(FailureCode.NOT_PERMITTED, "The key may not do this.", carrier_code="10010")

        client.connect = connect
        return client

    with pytest.raises(Conflict) as refused:
        await replace(connector, open_number_control=open_).connect(workspace_id, new_number(TWILIO), by=COMMAND_LINE)
    assert (refused.value.code, refused.value.message) == ("not_permitted", "The key may not do this.")


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_nothing_is_stored_when_the_carrier_cannot_be_reached(connect, connector, accounts, carrier, engine):
    accounts.down = True
    with pytest.raises(Unavailable) as refused:
        await connect(carrier)
    assert (refused.value.code, refused.value.retry_after_s) == ("carrier_unreachable", 5)
    async with engine.connect() as conn:
        assert (await conn.execute(select(carrier_accounts))).all() == []


async def test_a_number_that_cannot_be_put_back_now_stays(connect, connector, accounts, workspace_id, engine):
    number = await connect(TWILIO)
    accounts.down = True
    with pytest.raises(Unavailable):
        await connector.remove(workspace_id, number["id"], by=COMMAND_LINE)
    async with engine.connect() as conn:
        assert (await conn.execute(select(numbers.c.id))).scalars().all() == [number["id"]]
    left = await connector.remove(workspace_id, number["id"], configure_carrier=False, by=COMMAND_LINE)
    assert left["carrier"] == "untouched"


async def test_what_was_changed_since_is_left_as_it_is(connect, connector, accounts, workspace_id):
    number = await connect(TWILIO)
    accounts.app.account.number_at(FIRST).voice_url = "https://other.example/answer"
    removed = await connector.remove(workspace_id, number["id"], by=COMMAND_LINE)
    assert removed["carrier"] == "left"
    assert "changed since" in removed["message"]
    assert accounts.app.account.number_at(FIRST).voice_url == "https://other.example/answer"


async def test_credentials_that_have_expired_keep_no_number(connect, connector, accounts, workspace_id):
    number = await connect(TWILIO)
    accounts.app.account._secrets.clear()
    removed = await connector.remove(workspace_id, number["id"], by=COMMAND_LINE)
    assert removed["carrier"] == "left"
    assert "Twilio refused" in removed["message"]


async def test_a_number_that_only_dials_out_leaves_the_carrier_alone(connect, connector, accounts, workspace_id):
    accounts.app.account.number_at(FIRST).voice_url = "https://other.example/answer"
    number = await connect(TWILIO, configure_carrier=False)
    assert accounts.app.account.number_at(FIRST).voice_url == "https://other.example/answer"
    assert (await connector.remove(workspace_id, number["id"], by=COMMAND_LINE))["carrier"] == "untouched"


async def test_a_caller_id_that_was_only_verified_can_dial_out_but_not_answer(connect):
    with pytest.raises(Conflict, match="number_only_verified"):
        await connect(TWILIO, VERIFIED)
    assert (await connect(TWILIO, VERIFIED, configure_carrier=False))["e164"] == VERIFIED
    with pytest.raises(Conflict, match="number_not_owned"):
        await connect(TWILIO, STRANGE, configure_carrier=False)


async def test_a_number_connected_twice_at_once_stays_connected(connect, accounts):
    await connect(TWILIO)
    url = accounts.app.account.number_at(FIRST).voice_url
    with pytest.raises(Conflict, match="number_exists"):
        await connect(TWILIO)
    assert accounts.app.account.number_at(FIRST).voice_url == url


async def test_a_server_nobody_can_reach_connects_nothing(new_number, engine, accounts, workspace_id):
    local = Connector(
        engine=engine,
        secret_box=BOX,
        public_url="http://127.0.0.1:8080",
        open_number_control=accounts.open,
    )
    with pytest.raises(Conflict, match="no_public_url"):
        await local.connect(workspace_id, new_number(TWILIO), by=COMMAND_LINE)
    simulator = "http://127.0.0.1:9000"
    await local.connect(workspace_id, new_number(TWILIO, base_url=simulator), by=COMMAND_LINE)


async def test_a_number_that_cannot_be_stored_is_put_back_at_its_carrier(
    new_number, connector, accounts, workspace_id, engine
):
    script = load_example("appointment_reminder")
    agent = await create_agent(engine, workspace_id, name="Short", source=script, by=COMMAND_LINE)

    def open_(carrier, credentials, base_url):
        client = accounts.open(carrier, credentials, base_url)

        async def connect(*args, **urls):
            connected = await TwilioNumbers.connect(client, *args, **urls)
            async with engine.begin() as conn:  # meanwhile
                await conn.execute(delete(agents))
            return connected

        client.connect = connect
        return client

    with pytest.raises(Invalid, match="invalid_request"):
        await replace(connector, open_number_control=open_).connect(
            workspace_id, new_number(TWILIO, agent_id=agent["id"]), by=COMMAND_LINE
        )
    assert accounts.app.account.number_at(FIRST).voice_url == ""


async def test_a_connected_number_moves_to_another_agent_by_name_and_direction(connect, engine, workspace_id):
    number = await connect(TWILIO, name="Front desk")
    changed = await change_number(
        engine, workspace_id, number["id"], {"name": "Night", "direction": "inbound"}, public_url=URL,
        by=COMMAND_LINE,
    )
    assert (changed["name"], changed["direction"], changed["outbound_url"]) == ("Night", "inbound", None)


async def test_the_audit_log_says_who_connected_what_and_never_with_which_credentials(
    connect, connector, accounts, engine, workspace_id
):
    number = await connect(TWILIO, name="Front desk")
    await connector.remove(workspace_id, number["id"], by=COMMAND_LINE)
    async with engine.connect() as conn:
        entries = (await list_audit(conn, workspace_id))["entries"]
    assert [(entry["act"], entry["subject"]["name"], entry["details"]["e164"]) for entry in entries] == [
        ("number.disconnected", "Front desk", FIRST),
        ("number.connected", "Front desk", FIRST),
    ]
    assert accounts.credentials[TWILIO]["auth_token"] not in str(entries)


async def test_credentials_that_take_the_place_of_others_are_in_the_audit_log(
    new_number, connector, accounts, engine, workspace_id
):
    async def add(e164, token):
        await add_number(
            engine,
            connector.secret_box,
            workspace_id,
            new_number(TWILIO, e164, credentials=accounts.credentials[TWILIO] | {"auth_token": token}),
            public_url=URL,
            by=COMMAND_LINE,
        )

    await add("+15551230001", "one")
    await add("+15551230002", "one")
    await add("+15551230003", "two")
    async with engine.connect() as conn:
        replaced = (await list_audit(conn, workspace_id, act="credentials"))["entries"]
    assert [(entry["act"], entry["details"]) for entry in replaced] == [("credentials.replaced", {"carrier": "twilio"})]


async def test_the_numbers_of_other_workspaces_cannot_be_removed(connect, connector, engine):
    number = await connect(TWILIO)
    other = (await create_workspace(engine, name="Other", lines=1))["id"]
    with pytest.raises(NotFound):
        await connector.remove(other, number["id"], by=COMMAND_LINE)


async def test_accounts_are_opened_as_the_registry_says(accounts):
    for carrier in CARRIERS:
        opened = open_number_control(carrier, accounts.credentials[carrier], "http://127.0.0.1:1")
        assert type(opened).__name__.lower() == f"{carrier}numbers"
        await opened.aclose()
