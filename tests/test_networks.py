import pytest

from outdial.networks import network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("a socket's path", "a socket's path"),
    ],
)
def test_what_counts_as_one(address, network):
    assert network_of(address) == network
