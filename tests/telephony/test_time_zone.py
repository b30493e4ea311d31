import pytest

from outdial.telephony.time_zone import zone_of


@pytest.mark.parametrize(
    ("number", "zone"),
    [
        ("+12025550150", "America/New_York"),
        ("+14155550150", "America/Los_Angeles"),
        ("+493012345678", "Europe/Berlin"),
        ("+15551234567", "UTC"),
        ("no number", "UTC"),
        ("", "UTC"),
    ],
)
def test_a_number_is_in_a_time_zone_or_nobody_knows(number, zone):
    assert zone_of(number).key == zone
