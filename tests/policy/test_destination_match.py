import pytest

from outdial.policy import destination_match
from outdial.policy.destination_match import destination_for, is_allowed, named_kind, parse_destination

US, GB = "+12025550100", "+441632960100"


@pytest.mark.parametrize(
    ("number", "own_number", "destinations", "allowed"),
    [
        ("+15551234567", US, ["US"], True),
        ("+12025550115", US, ["US"], True),
        ("+18005551234", US, ["US"], True),
        ("+12425551234", US, ["US"], False),
        ("+18765551234", US, ["US", "JM"], True),
        ("+14165551234", US, ["US"], False),
        ("+19005551234", US, ["US"], False),
        ("+19005551234", US, ["US", "+1"], False),
        ("+19005551234", US, ["+1900"], True),
        ("+18765551234", US, ["+1"], True),
        ("+12025550115", US, [], False),
        ("+441632960115", GB, ["GB"], True),
        ("+449098790123", GB, ["GB", "+44"], False),
        ("+449098790123", GB, ["+449"], True),
        ("+449098790123", GB, ["+449098790123"], True),
        ("+448451234567", GB, ["GB"], False),
        ("+881612345678", US, ["US", "+88"], False),
        ("+881612345678", US, ["+881"], True),
        ("+442079460115", US, ["+4420"], True),
        ("+441632960115", US, ["+4420"], False),
    ],
)
def test_what_destinations_let_in(number, own_number, destinations, allowed):
    assert is_allowed(number, own_number, destinations) is allowed


@pytest.mark.parametrize(
    ("written", "meant"),
    [("DE", "DE"), (" de ", "DE"), ("uk", "GB"), ("+49 (30)", "+4930"), ("0049 30", "+4930"), ("+1", "+1")],
)
def test_destinations_as_people_write_them(written, meant):
    assert parse_destination(written) == meant


@pytest.mark.parametrize(
    "written",
    [
        *("", "Germany", "XX", "49", "+0", "+", "+49x", "+1234567890123456"),
        *("ß", "\ufb01", "\u0131t"),  # would be SS, FI and IT in capitals
    ],
)
def test_what_is_no_destination(written):
    with pytest.raises(ValueError, match="country as two letters"):
        parse_destination(written)


@pytest.mark.parametrize(
    ("number", "own_number"),
    [("+18765551234", US), ("+19005551234", US), ("+881612345678", US), ("+449098790123", GB), ("+80012345678", US),
     ("+999123456789", US), ("+14165551234", US)],
)  # fmt: skip
def test_what_a_refusal_advises_to_allow_is_enough(number, own_number):
    assert not is_allowed(number, own_number, ["US", "GB"])
    assert is_allowed(number, own_number, [destination_for(number, own_number)])


@pytest.mark.parametrize("number", ["+449098790123", "+881612345678", "+80012345678", "+3531850123451"])
def test_a_refusal_looks_at_the_first_digits_of_a_number_alone(number, monkeypatch):
    """What kind a beginning is of takes milliseconds to find out; keys may ask for new numbers all the time."""
    asked = []

    def note(prefix):
        asked.append(prefix)
        return named_kind(prefix)

    monkeypatch.setattr(destination_match, "named_kind", note)
    destination_for(number, US)
    assert max(map(len, asked), default=0) <= len("+123456")
