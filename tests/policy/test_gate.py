"""The gate before every dial, as pure answers."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from outdial.policy.gate import ERRORS, Dial, Facts, Never, NotBefore, Rule, decide, next_day, refusal
from outdial.refusals import Conflict, Denied, LimitReached

NINE = datetime(2026, 1, 1, 9, tzinfo=UTC)
TEN = NINE + timedelta(hours=1)
AT_NINE, AT_TEN, NEVER = NotBefore(at=NINE), NotBefore(at=TEN), Never(rule=Rule.DO_NOT_CALL)


FACTS = Facts(to="+12025550115", from_="+12025550100", listed=False, destinations=["US"])


def test_a_number_on_the_list_is_never_dialled():
    assert decide(replace(FACTS, listed=True)) == NEVER
    assert decide(FACTS) == Dial()


@pytest.mark.parametrize(
    ("answers", "strictest"),
    [
        ([], Dial()),
        ([Dial(), Dial()], Dial()),
        ([Dial(), AT_NINE], AT_NINE),
        ([AT_TEN, AT_NINE, Dial()], AT_TEN),
        ([AT_NINE, AT_TEN], AT_TEN),
        ([AT_TEN, NEVER, Dial()], NEVER),
    ],
)
def test_the_strictest_rule_decides(answers, strictest):
    rules = [lambda facts, answer=answer: answer for answer in answers]
    assert decide(FACTS, rules) == strictest


def test_what_no_destination_covers_is_never_dialled():
    assert decide(replace(FACTS, to="+18765551234")) == Never(rule=Rule.DESTINATION)
    assert decide(replace(FACTS, destinations=[])) == Never(rule=Rule.DESTINATION)


def test_one_call_too_many_for_today_is_never_dialled():
    assert decide(replace(FACTS, day_used_up=True)) == Never(rule=Rule.DAILY_LIMIT)


@pytest.mark.parametrize(
    ("rule", "kind", "what_to_do"),
    [
        (Rule.DO_NOT_CALL, Conflict, "outdial do-not-call remove +18765551234"),
        (Rule.DESTINATION, Denied, "outdial destinations allow JM"),
        (Rule.DAILY_LIMIT, LimitReached, "outdial workspaces change --daily-limit"),
    ],
)
def test_a_refusal_names_its_rule_and_what_can_be_done_about_it(rule, kind, what_to_do):
    said = refusal(rule, "+18765551234", "+12025550100", TEN)
    assert type(said) is kind
    assert said.code == rule
    assert f"rule {rule}" in said.message
    assert what_to_do in said.message
    assert ERRORS[rule].code == rule


def test_the_daily_limit_says_when_the_next_day_begins():
    late = datetime(2026, 1, 1, 23, 59, 30, 500_000, UTC)
    assert refusal(Rule.DAILY_LIMIT, "+12025550115", "+12025550100", late).retry_after_s == 30
    assert next_day(late) == datetime(2026, 1, 2, tzinfo=UTC)
