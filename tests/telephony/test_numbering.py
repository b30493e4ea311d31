"""Where numbers are and what kind they are of, by the numbering plans: a table of those that rules are about."""

import pytest

from outdial.telephony.numbering import (
    Special,
    calling_code,
    countries_called,
    countries_with,
    country_of,
    is_country,
    place_of,
    special_of_prefix,
)

US, CA, GB, JM = "+12025550100", "+14165550100", "+441632960100", "+18765550100"


@pytest.mark.parametrize(
    ("number", "own_number", "countries"),
    [
        ("+12025550115", US, {"US"}),
        ("+15551234567", US, {"US"}),       # the contract's example: no such area code
        ("+15551234567", "+15551230002", {"US"}),
        ("+15551234567", CA, {"CA"}),       # counts as the own number's country
        ("+15551234567", JM, {"JM"}),
        ("+15551234567", GB, {"US"}),       # whose code it is named for
        ("+12020551234", US, {"US"}),       # the area code tells, whatever stands behind it
        ("+12425551234", US, {"BS"}),
        ("+12425551", US, {"BS"}),
        ("+18765551234", US, {"JM"}),
        ("+18095551234", US, {"DO"}),
        ("+17875551234", US, {"PR"}),
        ("+14160551234", US, {"CA"}),
        ("+441632960115", GB, {"GB"}),
        ("+447700900123", GB, {"GB"}),      # kept free for films
        ("+447797712345", GB, {"JE"}),
        ("+44779771234567", GB, {"JE"}),    # with digits behind it
        ("+77012345678", "+74951234567", {"KZ"}),
        ("+4930123456", US, {"DE"}),
        ("+881612345678", US, set()),
        ("+80012345678", US, set()),
        ("+999123456789", US, set()),       # nobody's
    ],
)
def test_where_a_call_goes(number, own_number, countries):
    assert countries_called(number, own_number) == countries


def test_a_toll_free_number_is_in_every_country_that_shares_it():
    assert {"US", "CA", "JM"} <= countries_called("+18005551234", GB)
    assert country_of("+18005551234") == "US"  # and brings no other where it is one's own


@pytest.mark.parametrize(
    ("number", "special"),
    [
        ("+19005551234", Special.PREMIUM),
        ("+19001234567", Special.PREMIUM),       # whatever follows the area code
        ("+119005551234", Special.PREMIUM),      # with the 1 that is dialled within the country
        ("+1900555123456", Special.PREMIUM),
        ("+449098790123", Special.PREMIUM),
        ("+4490987901234", Special.PREMIUM),     # a digit more still rings there
        ("+449098790123456", Special.PREMIUM),
        ("+4409098790123", Special.PREMIUM),     # with the 0 that is dialled within the country
        ("+448451234567", Special.PREMIUM),      # 0845: a service charge on top
        ("+499001234567", Special.PREMIUM),
        ("+33890123456", Special.PREMIUM),
        ("+979123456789", Special.PREMIUM),
        ("+491801234567", Special.SHARED_COST),
        ("+80812345678", Special.SHARED_COST),
        ("+870773111111", Special.SATELLITE),
        ("+881612345678", Special.SATELLITE),
        ("+88213123456", Special.SATELLITE),
        ("+8835100012345", Special.SATELLITE),
        ("+15551234567", None),
        ("+12025550115", None),
        ("+18005551234", None),
        ("+12425551234", None),
        ("+448001234567", None),
        ("+447700900123", None),
        ("+4917012345678", None),
    ],
)
def test_which_numbers_cost_more(number, special):
    assert place_of(number).special == special


@pytest.mark.parametrize(
    ("prefix", "special"),
    [
        ("+1900", Special.PREMIUM),
        ("+449", Special.PREMIUM),
        ("+449098790123", Special.PREMIUM),
        ("+49180", Special.SHARED_COST),
        ("+979", Special.PREMIUM),
        ("+881", Special.SATELLITE),
        ("+88161", Special.SATELLITE),
        ("+88", None),    # Taiwan begins with it, too
        ("+1", None),
        ("+44", None),
        ("+448", None),   # so do toll-free numbers
        ("+4420", None),
        ("+1876", None),
        ("+1555", None),
    ],
)
def test_a_prefix_names_a_kind_where_all_its_numbers_are_of_it(prefix, special):
    assert special_of_prefix(prefix) == special


def test_the_country_of_a_number_of_ones_own():
    assert [country_of(one) for one in (US, CA, GB, JM, "+15551230002")] == ["US", "CA", "GB", "JM", "US"]
    assert country_of("+881612345678") is None
    assert country_of("+999123456789") is None


def test_countries_and_their_codes():
    assert [one for one in ("DE", "XX", "001", "de") if is_country(one)] == ["DE"]
    assert (calling_code("DE"), calling_code("JM")) == ("+49", "+1")
    assert countries_with("+49") == ["DE"]
    assert len(countries_with("+1")) == 25
    assert {"GB", "JE"} <= set(countries_with("+4"))
