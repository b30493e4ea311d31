"""Rules over what the database knows, minute by minute."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, insert, select, text, update

from outdial.alerts.evaluate import evaluate
from outdial.alerts.rule import Kind
from outdial.alerts.rules import add_rule, change_rule, list_rules, removed_rules, reset_rule
from outdial.calls.prices import record_price
from outdial.calls.results import Result, save_result
from outdial.db.alert_tables import alert_rules, alerts, ended_counts
from outdial.db.spend_tables import model_spend, spend_limits
from outdial.db.tables import do_not_call
from outdial.db.webhook_tables import webhooks
from outdial.telephony.price import Price
from outdial.telephony.state import CallState, EndReason
from outdial.workspaces.audit import COMMAND_LINE
from rows_read import rows_read


async def test_too_few_answers_raise_an_alert_once_and_clear_it_when_it_is_good_again(minutes):
    await minutes.end(1, "no_answer", answered=False)
    assert (await minutes.pass_()).raised == 0  # one of one is no alarm
    await minutes.end(2)
    await minutes.end(37, "no_answer", answered=False)
    assert (await minutes.pass_()).raised == 1
    (alert,) = await minutes.alerts()
    assert (alert["kind"], alert["state"], alert["figure"], alert["calls"]) == ("answer_rate", "raised", 0.05, 40)
    assert alert["message"] == "5 % of 40 calls in the last hour were answered; the rule's threshold is 10 %."
    assert (await minutes.pass_()).raised == 0
    await minutes.end(20)
    assert (await minutes.pass_()).cleared == 1
    (alert,) = await minutes.alerts()
    assert (alert["state"], alert["cleared_because"], alert["now_figure"]) == ("cleared", "recovered", 0.3667)
    assert (alert["figure"], await minutes.raised()) == (0.05, [])


async def test_calls_count_by_when_they_ended_not_by_when_they_were_accepted(minutes):
    """A campaign is accepted at once, and dialled for hours."""
    await minutes.fail(20)
    assert (await minutes.pass_()).raised == 1


async def test_what_failed_long_ago_is_out_of_the_window(minutes):
    await minutes.change("answer_rate", enabled=False)
    await minutes.fail(20, ago=timedelta(minutes=36))
    assert (await minutes.pass_()).raised == 0
    await minutes.fail(20)
    await minutes.pass_()
    assert await minutes.raised() == ["failure_share"]
    assert (await minutes.pass_(40)).cleared == 1  # nobody calls any more: nobody can say
    (alert,) = await minutes.alerts()
    assert alert["cleared_because"] == "too_few_calls"


async def test_failures_are_told_by_code_with_what_to_do_about_the_most_frequent(minutes):
    await minutes.end(30)
    await minutes.fail(18, "no_funds")
    await minutes.fail(2, "unreachable")
    await minutes.change("number_health", enabled=False)
    await minutes.pass_()
    (alert,) = await minutes.alerts()
    assert alert["details"] == {"failed": 20, "dialled": 50, "codes": {"no_funds": 18, "unreachable": 2}}
    assert alert["advice"] == "Top up the account at the carrier."
    assert alert["url"] == "https://voice.example/calls?end_reason=failed"


async def test_a_rule_may_be_of_one_code_alone(engine, minutes):
    await minutes.change("failure_share", enabled=False)
    wanted = {"code": "blocked", "threshold": 0.05, "least_calls": 20}
    mine = await add_rule(engine, minutes.workspace.id, Kind.FAILURE_SHARE, wanted, by=COMMAND_LINE)
    await minutes.end(30)
    await minutes.fail(10)
    assert (await minutes.pass_()).raised == 0
    await minutes.fail(4, "blocked")
    await minutes.pass_()
    (alert,) = await minutes.alerts()
    assert (alert["rule_id"], alert["code"], alert["details"]["failed"]) == (mine["id"], "blocked", 4)
    await reset_rule(engine, minutes.workspace.id, mine["id"], by=COMMAND_LINE)
    await minutes.pass_()
    (alert,) = await minutes.alerts()
    assert alert["cleared_because"] == "rule_changed"


async def test_an_end_that_is_put_right_is_counted_as_it_is_then(engine, minutes):
    prefix = await minutes.fail(20)
    async with engine.begin() as conn:
        put_right = text("UPDATE calls SET end_reason = 'busy', error = NULL WHERE id LIKE :these")
        await conn.execute(put_right, {"these": prefix + "%"})
    assert (await minutes.pass_()).raised == 0
    async with engine.connect() as conn:
        rows = (await conn.execute(select(ended_counts.c.kind, ended_counts.c.key, ended_counts.c.count))).all()
    assert rows == [("unanswered", "", 20)]


@pytest.mark.parametrize("reason", ["canceled", "expired"])
async def test_calls_that_were_never_dialled_count_for_nothing(engine, minutes, reason):
    await minutes.end(50, reason, answered=False)
    await minutes.pass_()
    async with engine.connect() as conn:
        assert await conn.scalar(select(func.count()).select_from(ended_counts)) == 0


# -- replies -----------------------------------------------------------------------------------------------------


async def test_slow_replies_of_a_conversation_raise_an_alert(engine, minutes, workspace):
    await minutes.change("reply_latency", threshold=2000, least_calls=2)
    minutes.now = datetime.now(UTC)
    for latencies in ([900] * 9 + [2900], [700] * 9 + [2600]):
        call = await workspace.dialed()
        await workspace.hears(call.attempt_id, CallState.IN_PROGRESS)
        await workspace.hears(call.attempt_id, CallState.ENDED, EndReason.COMPLETED)
        result = Result(noted={}, recording=None, message_delivered=None, transferred=False, latencies_ms=latencies)
        for _ in range(2):  # a result that is delivered again changes nothing
            await save_result(engine, call.attempt_id, call.call_id, Result.from_json(result.to_json()))
    await minutes.pass_()
    (alert,) = await minutes.alerts()
    assert (alert["kind"], alert["figure"], alert["calls"]) == ("reply_latency", 3000.0, 2)
    assert alert["details"] == {"replies": 20}


# -- wishes, numbers, webhooks, spend ------------------------------------------------------------------------------


async def wish(engine, minutes, many, source="callee"):
    rows = [
        {
            "workspace_id": minutes.workspace.id,
            "number": f"+1303555{n:04}",
            "source": source,
            "created_at": minutes.now,
        }
        for n in range(many)
    ]
    async with engine.begin() as conn:
        await conn.execute(insert(do_not_call), rows)


async def test_wishes_not_to_be_called_raise_alerts_by_share_and_by_count(engine, minutes):
    await minutes.end(50)
    await minutes.change("do_not_call_count", threshold=10)
    await wish(engine, minutes, 5)
    await minutes.pass_()
    assert await minutes.raised() == ["do_not_call_share"]
    await minutes.workspace.queue()
    async with engine.begin() as conn:
        await conn.execute(do_not_call.delete())
    await wish(engine, minutes, 5)
    await minutes.pass_()
    assert await minutes.raised() == ["do_not_call_count", "do_not_call_share"]


async def test_numbers_that_somebody_imports_are_no_wishes(engine, minutes):
    await minutes.end(50)
    await wish(engine, minutes, 100, source="csv")
    assert (await minutes.pass_()).raised == 0


async def test_a_number_whose_last_calls_all_failed_for_what_comes_again_is_told_until_one_doesnt(minutes):
    await minutes.fail(1, "no_funds")
    assert (await minutes.pass_()).raised == 0
    await minutes.fail(1, "no_funds")
    await minutes.pass_()
    (alert,) = await minutes.alerts()
    assert alert["subject"] == {"kind": "number", "id": minutes.workspace.number_id}
    assert alert["message"] == (
        "The last 2 calls from the number Front desk failed with no_funds, which comes again with every call."
    )
    await minutes.end(1, "busy", answered=False)
    await minutes.pass_()
    assert await minutes.raised() == []


async def test_a_number_that_is_called_by_its_digits_is_told_by_its_id(engine, minutes):
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE numbers SET name = 'Sales +1 555 123 0002'"))
    await minutes.fail(2, "no_funds")
    await minutes.pass_()
    (alert,) = await minutes.alerts()
    assert minutes.workspace.number_id in alert["message"]
    assert "0002" not in str(alert)


async def test_an_endpoint_that_accepts_nothing_or_was_switched_off_is_told_by_its_host(engine, minutes):
    async with engine.begin() as conn:
        row = {"workspace_id": minutes.workspace.id, "url": "https://u:p@crm.example/secret?key=1", "secret": b""}
        await conn.execute(
            insert(webhooks),
            [
                row | {"id": "wh_1", "failing_since": minutes.now - timedelta(minutes=20), "paused_at": None},
                row | {"id": "wh_2", "failing_since": minutes.now - timedelta(minutes=5), "paused_at": None},
                row | {"id": "wh_3", "failing_since": minutes.now - timedelta(days=1), "paused_at": minutes.now},
            ],
        )
        await conn.execute(
            insert(webhooks).values(row | {"id": "wh_4", "off_at": minutes.now, "off_reason": "gone"})
        )
    await minutes.pass_()
    told = {each["subject"]["id"]: each["message"] for each in await minutes.alerts()}
    assert told == {
        "wh_1": "The webhook endpoint at crm.example has accepted nothing for 21 minutes.",
        "wh_4": "The webhook endpoint at crm.example has answered that it is gone, and was switched off.",
    }
    async with engine.begin() as conn:
        await conn.execute(update(webhooks).values(failing_since=None, off_at=None))
    assert (await minutes.pass_()).cleared == 2


async def test_spend_is_told_by_its_share_of_the_limit_and_by_the_day(engine, minutes):
    async with engine.begin() as conn:
        await conn.execute(insert(spend_limits).values(workspace_id=minutes.workspace.id, dollars=Decimal(200)))
        await conn.execute(
            insert(model_spend).values(
                workspace_id=minutes.workspace.id,
                day=minutes.now.date(),
                tokens=10,
                estimated_tokens=0,
                dollars=Decimal("99.9"),
            )
        )
    assert (await minutes.pass_()).raised == 0
    async with engine.begin() as conn:
        await conn.execute(update(model_spend).values(dollars=Decimal(170)))
    await minutes.pass_()
    assert await minutes.raised() == ["spend_day", "spend_share"]
    assert (await minutes.pass_(24 * 60)).cleared == 2  # another day


async def test_what_carriers_charge_is_told_by_the_day_and_the_currency(engine, minutes, workspace):
    minutes.now = datetime.now(UTC)
    await minutes.change("charges_day", threshold=5)
    for amount, currency in (("4.50", "USD"), ("7.25", "EUR"), ("0.25", "USD")):
        call = await workspace.dialed()
        await record_price(engine, call.attempt_id, Price(amount=amount, currency=currency))
    assert (await minutes.pass_(0)).raised == 1
    (alert,) = await minutes.alerts()
    assert (alert["subject"], alert["figure"]) == ({"kind": "currency", "id": "EUR"}, 7.25)
    assert alert["message"] == "Carriers have charged 7.25 EUR today (UTC); the threshold is 5.00."
    await record_price(engine, call.attempt_id, Price(amount="1", currency="USD"))
    await minutes.pass_()
    assert sorted(each["subject"]["id"] for each in await minutes.alerts()) == ["EUR", "USD"]
    assert (await minutes.pass_(24 * 60)).cleared == 2  # another day


# -- who evaluates, and what it costs ------------------------------------------------------------------------------


async def test_two_processes_evaluate_a_minute_once(engine, minutes):
    await minutes.fail(20)
    done = await asyncio.gather(*(evaluate(engine, mail=False, now=minutes.now) for _ in range(4)))
    assert [each.raised for each in done if each is not None] == [1]
    assert await evaluate(engine, mail=False, now=minutes.now + timedelta(seconds=30)) is None
    assert await evaluate(engine, mail=False, now=minutes.now + timedelta(seconds=58)) is not None


async def test_a_process_that_dies_before_it_commits_leaves_all_to_be_done(engine, minutes):
    await minutes.fail(20)
    async with engine.begin() as conn:
        await conn.execute(text("ALTER TABLE alerts ADD CONSTRAINT dies CHECK (false) NOT VALID"))
    with pytest.raises(Exception, match="dies"):
        await minutes.pass_()
    async with engine.begin() as conn:
        await conn.execute(text("ALTER TABLE alerts DROP CONSTRAINT dies"))
    assert (await evaluate(engine, mail=False, now=minutes.now)).raised == 1


async def test_a_condition_can_not_be_raised_twice_whoever_tries(engine, minutes):
    await minutes.fail(20)
    await minutes.pass_()
    async with engine.begin() as conn:
        columns = [column.name for column in alerts.c if column.name != "id"]
        copied = select(func.concat(alerts.c.id, "x"), *(alerts.c[name] for name in columns))
        with pytest.raises(Exception, match="uq_alerts_raised"):
            await conn.execute(insert(alerts).from_select(["id", *columns], copied))


async def test_each_workspace_has_its_own(engine, minutes, make_workspace):
    other = await make_workspace()
    await minutes.fail(20)
    await minutes.end(20, of=other)
    await minutes.pass_()
    assert (await minutes.raised(), await minutes.raised(other)) == (["failure_share"], [])


async def test_a_minute_reads_counts_never_calls_and_few_of_them(engine, minutes):
    """A thousand workspaces, and calls that are many times what may be read."""
    async with engine.begin() as conn:
        many = "SELECT 'ws_' || n, 'Clinic', 'team' FROM generate_series(1, 1000) AS n"
        await conn.execute(text(f"INSERT INTO workspaces (id, name, plan) {many}"))
        several = "generate_series(1, 1000) AS n, generate_series(1, 20) AS ago"
        before = "CAST(:at AS timestamptz) - ago * interval '1 hour'"
        counts = f"SELECT 'ws_' || n, {before}, 'answered', '', 1, true FROM {several}"
        columns = "workspace_id, ended_at, kind, key, count, folded"
        await conn.execute(text(f"INSERT INTO ended_counts ({columns}) {counts}"), {"at": minutes.now})
    await minutes.end(3000)
    await minutes.fail(2000)
    await minutes.pass_()
    async with engine.begin() as conn:
        await conn.execute(text("ANALYZE"))
    read = await rows_read(engine, lambda _: minutes.pass_())
    assert read["calls"] <= 4  # the last calls from the one number
    assert read["ended_counts"] < 12_000  # of 20,000: those in the windows asked for
    assert await minutes.raised() == ["failure_share"]
    async with engine.connect() as conn:
        mine = ended_counts.c.workspace_id == minutes.workspace.id
        assert await conn.scalar(select(func.count()).select_from(ended_counts).where(mine)) == 2


async def test_counts_of_long_ago_are_forgotten(engine, minutes):
    await minutes.fail(20)
    await minutes.pass_()
    await minutes.pass_(26 * 60)
    async with engine.connect() as conn:
        assert await conn.scalar(select(func.count()).select_from(ended_counts)) == 0


# -- what is stored wrongly ----------------------------------------------------------------------------------------

WRONG = [
    {},
    {"kind": "moon_phase", "threshold": 1},
    {"kind": "failure_share", "enabled": True, "threshold": "much", "window_min": 30, "least_calls": 10},
    {"kind": "failure_share", "enabled": True, "threshold": 0.2, "window_min": 30.5, "least_calls": 10},
    {"kind": "failure_share", "enabled": True, "threshold": 0.2, "window_min": 10**12, "least_calls": 10},
    {"kind": "failure_share", "enabled": "yes", "threshold": 0.2, "window_min": 30, "least_calls": []},
    [1, 2],
]


@pytest.mark.parametrize("setting", WRONG)
async def test_a_stored_rule_that_nobody_can_read_stops_no_other(engine, minutes, make_workspace, setting):
    other = await make_workspace()
    async with engine.begin() as conn:
        row = {"workspace_id": other.id, "setting": setting, "before": setting}
        await conn.execute(insert(alert_rules), [row | {"id": "failure_share"}, row | {"id": "rule_1"}])
    await minutes.fail(20)
    await minutes.fail(20, of=other)
    await minutes.pass_()
    assert (await minutes.raised(), await minutes.raised(other)) == (["failure_share"], ["failure_share"])
    async with engine.connect() as conn:
        assert [rule["changed"] for rule in await list_rules(conn, other.id)] == [False] * len(Kind)
        assert await removed_rules(conn, other.id) == []
    changed = await change_rule(engine, other.id, "failure_share", {"threshold": 0.5}, by=COMMAND_LINE)
    assert changed["threshold"] == 0.5
