"""Rule and figure → raised, kept, cleared. Pure."""

import pytest

from outdial.alerts.rule import DEFAULTS, SHAPES, Kind, Rule, Setting, checked
from outdial.alerts.verdict import Because, Figure, Verdict, judge
from outdial.refusals import Invalid

QUIET, RAISED, KEPT, CLEARED = Verdict


def rule(kind, **setting):
    return Rule(id=kind, kind=kind, setting=checked(kind, setting, SHAPES[kind].default))


RATE = rule(Kind.ANSWER_RATE, threshold=0.2, least_calls=30)
FAILED = rule(Kind.FAILURE_SHARE, threshold=0.5, least_calls=10)


@pytest.mark.parametrize(
    ("rule", "value", "is_raised", "expected"),
    [
        (RATE, 0.21, False, QUIET),
        (RATE, 0.20, False, RAISED),   # reaching it is enough
        (RATE, 0.05, True, KEPT),      # once a condition
        (RATE, 0.21, True, KEPT),      # not yet a tenth better
        (RATE, 0.2201, True, CLEARED),
        (FAILED, 0.49, False, QUIET),
        (FAILED, 0.50, False, RAISED),
        (FAILED, 0.46, True, KEPT),
        (FAILED, 0.45, True, KEPT),
        (FAILED, 0.44, True, CLEARED),
        (rule(Kind.ANSWER_RATE, threshold=0), 0.0, False, RAISED),  # nobody at all
        (rule(Kind.ANSWER_RATE, threshold=0), 0.01, True, CLEARED),
        (rule(Kind.ANSWER_RATE, threshold=0.95), 1.0, True, CLEARED),  # it can be reached
        (rule(Kind.DO_NOT_CALL_COUNT, threshold=1), 1.0, False, RAISED),
        (rule(Kind.DO_NOT_CALL_COUNT, threshold=1), 0.0, True, CLEARED),
    ],
)
def test_an_alert_is_raised_at_its_threshold_and_cleared_well_behind_it(rule, value, is_raised, expected):
    calls = 30 if rule.setting.least_calls else None
    judged = judge(rule, Figure(value=value, calls=calls), is_raised=is_raised)
    assert judged.verdict is expected
    assert judged.because is (Because.RECOVERED if expected is CLEARED else None)


def test_a_figure_that_goes_to_and_fro_around_its_threshold_is_one_alert():
    is_raised, told = False, []
    for value in (0.49, 0.51, 0.49, 0.51, 0.49, 0.51):
        verdict = judge(FAILED, Figure(value=value, calls=100), is_raised=is_raised).verdict
        told.append(verdict)
        is_raised = verdict in (RAISED, KEPT)
    assert told == [QUIET, RAISED, KEPT, KEPT, KEPT, KEPT]


@pytest.mark.parametrize(
    ("calls", "is_raised", "expected"),
    [
        (1, False, (QUIET, None)),  # one of one is no alarm
        (9, False, (QUIET, None)),
        (10, False, (RAISED, None)),
        (9, True, (KEPT, None)),
        (5, True, (KEPT, None)),
        (4, True, (CLEARED, Because.TOO_FEW_CALLS)),
    ],
)
def test_too_few_calls_raise_nothing_and_keep_what_is_raised_for_a_while(calls, is_raised, expected):
    judged = judge(FAILED, Figure(value=1.0, calls=calls), is_raised=is_raised)
    assert (judged.verdict, judged.because) == expected


def test_nothing_known_clears_what_was_about_calls_and_what_was_wrong_alike():
    assert judge(FAILED, None, is_raised=True).because is Because.TOO_FEW_CALLS
    assert judge(DEFAULTS["number_health"], None, is_raised=True).because is Because.RECOVERED
    assert judge(DEFAULTS["webhook_failing"], None, is_raised=True).because is Because.RECOVERED
    assert judge(FAILED, None, is_raised=False).verdict is QUIET


def test_a_rule_that_is_gone_off_or_about_another_code_clears_its_alert():
    bad = Figure(value=1.0, calls=100)
    off = rule(Kind.FAILURE_SHARE, enabled=False)
    for gone in (None, off):
        assert judge(gone, bad, is_raised=False).verdict is QUIET
        assert judge(gone, bad, is_raised=True).because is Because.RULE_CHANGED
    other = rule(Kind.FAILURE_SHARE, code="no_funds")
    assert judge(other, bad, is_raised=True, code="unreachable").because is Because.RULE_CHANGED
    assert judge(other, bad, is_raised=True, code="no_funds").verdict is KEPT


def test_what_is_wrong_by_itself_has_no_threshold():
    sick = Figure(value=2.0, subject="num_1", calls=2, code="no_funds")
    assert judge(DEFAULTS["number_health"], sick, is_raised=False).verdict is RAISED
    assert judge(DEFAULTS["number_health"], sick, is_raised=True, code="bad_credentials").verdict is KEPT


# -- settings ----------------------------------------------------------------------------------------------------


def test_every_kind_has_a_rule_that_is_on_and_that_its_own_check_takes():
    assert [rule.kind for rule in DEFAULTS.values()] == list(Kind)
    for each in DEFAULTS.values():
        assert each.setting.enabled
        assert checked(each.kind, {}, each.setting) == each.setting


@pytest.mark.parametrize(
    ("kind", "changes", "field"),
    [
        (Kind.ANSWER_RATE, {"window_min": 14}, "window_min"),
        (Kind.ANSWER_RATE, {"window_min": 17}, "window_min"),
        (Kind.ANSWER_RATE, {"window_min": 1445}, "window_min"),
        (Kind.ANSWER_RATE, {"threshold": 1.0}, "threshold"),
        (Kind.ANSWER_RATE, {"threshold": -0.1}, "threshold"),
        (Kind.ANSWER_RATE, {"least_calls": 0}, "least_calls"),
        (Kind.ANSWER_RATE, {"code": "no_funds"}, "code"),
        (Kind.FAILURE_SHARE, {"threshold": 0}, "threshold"),
        (Kind.FAILURE_SHARE, {"code": "bad_hair"}, "code"),
        (Kind.REPLY_LATENCY, {"threshold": 31_000}, "threshold"),
        (Kind.NUMBER_HEALTH, {"threshold": 0.5}, "threshold"),
        (Kind.NUMBER_HEALTH, {"window_min": 60}, "window_min"),
        (Kind.SPEND_DAY, {"least_calls": 10}, "least_calls"),
    ],
)
def test_what_a_rule_of_a_kind_can_not_be_is_refused_by_its_field(kind, changes, field):
    with pytest.raises(Invalid) as refused:
        checked(kind, changes, SHAPES[kind].default)
    assert refused.value.field == field


def test_a_setting_is_stored_and_read_as_it_was_also_with_fields_of_later():
    setting = Setting(threshold=0.5, window_min=60, least_calls=5, code="no_funds", enabled=False)
    assert Setting.from_json(setting.to_json() | {"kind": "failure_share", "sound": "gong"}) == setting
