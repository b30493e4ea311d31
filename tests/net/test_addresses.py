"""Which addresses may be reached."""

import pytest

from outdial.net.addresses import Allowed, is_public, literal
from outdial.net.urls import check_url

PRIVATE = [
    "127.0.0.1", "127.255.0.1", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "169.254.170.2",
    "100.64.0.1", "100.100.100.200", "192.0.0.192", "192.88.99.1", "198.18.0.1", "224.0.0.1", "240.0.0.1",
    "255.255.255.255", "168.63.129.16", "::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1",
    "::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::1", "2002:7f00:1::",
    "2002:a00:1::", "5f00::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "93.184.215.14", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::"]


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_private_or_nobodys_is_refused_however_it_is_wrapped(address):
    assert not is_public(literal(address))
    assert not Allowed().permits("example.com", literal(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_is_reached(address):
    assert is_public(literal(address))


def test_what_an_operator_allows_is_reached_and_nothing_beside_it():
    allowed = Allowed.parse("n8n.internal, 10.1.0.0/16,127.0.0.1")
    assert allowed.permits("x.example", literal("10.1.2.3"))
    assert allowed.permits("x.example", literal("::ffff:10.1.2.3"))
    assert allowed.permits("N8N.internal", literal("192.168.7.7"))
    assert not allowed.permits("x.example", literal("192.168.7.7"))
    assert not allowed.permits("x.example", literal("10.2.0.1"))


def test_what_clouds_tell_machines_is_never_reached():
    allowed = Allowed.parse("169.254.0.0/16, metadata.internal")
    assert not allowed.permits("metadata.internal", literal("169.254.169.254"))


@pytest.mark.parametrize("text", ["0.0.0.0/0", "::/0", "http://n8n", "*", "10.0.0.0/7", "a b"])
def test_not_everything_can_be_allowed(text):
    with pytest.raises(ValueError, match=r"too wide|neither a host"):
        Allowed.parse(text)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com@evil.example/", "https://h\\@evil.example/", "https://example.com/#part",
        "ftp://example.com/", "https:///x", "https://example.com:6379/", "https://example.com:25/",
        "https://example.com/\r\nx", "//example.com",
        "https://[::1]/", "https://2130706433@x/", "https://exa mple.com/",
    ],
)  # fmt: skip
def test_an_odd_url_is_refused(url):
    with pytest.raises(ValueError, match=r"must|is no URL|leads"):
        check_url(url, Allowed())


def test_http_is_for_what_is_allowed_alone():
    assert check_url("http://127.0.0.1:5678/webhook/a", Allowed.parse("127.0.0.1")) == "http://127.0.0.1:5678/webhook/a"
    with pytest.raises(ValueError, match="https://"):
        check_url("http://example.com/", Allowed())
