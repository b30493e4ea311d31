"""The gate before every dial, as pure answers."""

from datetime import UTC, datetime, timedelta

import pytest

from outdial.policy.gate import ERRORS, Dial, Facts, Never, NotBefore, Rule, decide, refusal

NINE = datetime(2026, 1, 1, 9, tzinfo=UTC)
TEN = NINE + timedelta(hours=1)
AT_NINE, AT_TEN, NEVER = NotBefore(at=NINE), NotBefore(at=TEN), Never(rule=Rule.DO_NOT_CALL)


def test_a_number_on_the_list_is_never_dialled():
    assert decide(Facts(listed=True)) == NEVER
    assert decide(Facts(listed=False)) == Dial()


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
    assert decide(Facts(listed=False), rules) == strictest


@pytest.mark.parametrize("rule", Rule)
def test_a_refusal_names_its_rule_and_what_can_be_done_about_it(rule):
    said = refusal(rule, "+12025550115")
    assert said.code == rule
    assert f"rule {rule}" in said.message
    assert "outdial do-not-call remove +12025550115" in said.message
    assert ERRORS[rule].code == rule
