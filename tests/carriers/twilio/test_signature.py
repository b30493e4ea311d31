"""The signature of Twilio's requests. Twilio's own SDK is the judge of what it should be."""

import json
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from outdial.carriers.twilio.callbacks import verify

FIXTURES = Path(__file__).parents[1] / "fixtures"
VECTORS = json.loads((FIXTURES / "twilio_signatures.json").read_text())["vectors"]
RECORDED = json.loads((FIXTURES / "twilio_callbacks.json").read_text())
CALLBACKS = [
    pytest.param(callback["request"], id=f"{name}-{callback['name']}")
    for name, callbacks in [*RECORDED["scenarios"].items(), ("single", RECORDED["single"].values())]
    for callback in callbacks
]
TOKEN = RECORDED["auth_token"]
FORM_TYPE = "application/x-www-form-urlencoded; charset=UTF-8"
URL = "https://voice.example/callbacks/twilio/att_1/status"
STREAM_URL = "wss://voice.example/media/twilio/att_1/token"


class Form(dict):
    """Fields that may repeat, as the SDK takes them from web frameworks."""

    def __init__(self, fields):
        super().__init__(fields)
        self._fields = fields

    def getall(self, name):
        return [value for key, value in self._fields if key == name]


def signature(url: str, fields=(), token: str = TOKEN) -> str:
    return RequestValidator(token).compute_signature(url, Form(list(fields)))


def check(url: str, signature: str, fields=(), tokens=(TOKEN,)) -> bool:
    headers = {"X-Twilio-Signature": signature}
    if fields:
        headers["Content-Type"] = FORM_TYPE
    return verify(url=url, headers=headers, body=urlencode(list(fields)).encode(), tokens=tokens)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["source"][-40:])
def test_published_vectors(vector):
    form = "form" in vector
    body = urlencode([tuple(field) for field in vector["form"]]) if form else vector["body"]
    headers = {
        "X-Twilio-Signature": vector["signature"],
        "Content-Type": FORM_TYPE if form else "application/json",
    }
    verified = verify(url=vector["url"], headers=headers, body=body.encode(), tokens=[vector["auth_token"]])
    assert verified is vector["valid"]


@pytest.mark.parametrize("request_", CALLBACKS)
def test_every_recorded_callback_is_genuine_until_a_byte_changes(request_):
    url, headers, body = request_["url"], request_["headers"], request_["body"].encode()
    assert verify(url=url, headers=headers, body=body, tokens=[TOKEN])
    assert verify(url=url, headers={k.lower(): v for k, v in headers.items()}, body=body, tokens=[TOKEN])
    assert not verify(url=url, headers=headers, body=body + b"&Digits=1", tokens=[TOKEN])
    assert not verify(url=url, headers=headers, body=body.replace(b"Sid=CA", b"Sid=CB"), tokens=[TOKEN])
    assert not verify(url=url + "?x=1", headers=headers, body=body, tokens=[TOKEN])
    assert not verify(url=url.replace("call_1", "call_2"), headers=headers, body=body, tokens=[TOKEN])
    assert not verify(url=url, headers=headers, body=b"", tokens=[TOKEN])


def test_while_tokens_are_rotated_either_signs():
    fields = [("CallSid", "CA1")]
    old, new = signature(URL, fields, "old"), signature(URL, fields, "new")
    assert check(URL, old, fields, tokens=["old", "new"])
    assert check(URL, new, fields, tokens=["old", "new"])
    assert not check(URL, old, fields, tokens=["new"])


def test_an_empty_token_verifies_nothing():
    assert not check(URL, signature(URL, token=""), tokens=[""])
    assert not check(URL, signature(URL), tokens=[])


@pytest.mark.parametrize(
    ("ours", "signed"),
    [
        ("https://voice.example/a?b=c", "https://voice.example:443/a?b=c"),
        ("https://voice.example:443/a", "https://voice.example/a"),
        ("https://voice.example:8443/a", "https://voice.example/a"),
        ("http://voice.example:8080/a", "http://voice.example:8080/a"),
        ("http://voice.example/a", "http://voice.example:80/a"),
        ("https://user:secret@voice.example/a#rc=3", "https://voice.example/a"),
        ("http://[::1]:8080/a", "http://[::1]/a"),
        (STREAM_URL, STREAM_URL),
        (STREAM_URL, STREAM_URL + "/"),
        (STREAM_URL + "/", STREAM_URL),
        (STREAM_URL, STREAM_URL.replace("example", "example:443") + "/"),
        ("ws://127.0.0.1:8080/media", "ws://127.0.0.1:8080/media/"),
    ],
)
def test_the_forms_of_a_url_that_twilio_signs(ours, signed):
    assert check(ours, signature(signed))


@pytest.mark.parametrize(
    ("ours", "signed"),
    [
        (URL, URL + "/"),  # only websockets
        (URL, URL.replace("https", "http")),
        (URL, URL.replace("voice.example", "voice.example:8443")),
        (URL, URL.replace("voice", "other")),
        (STREAM_URL, STREAM_URL.replace("wss", "https")),
    ],
)
def test_other_urls_are_other_urls(ours, signed):
    assert not check(ours, signature(signed))


def test_a_body_that_no_signature_covers_is_refused():
    headers = {"X-Twilio-Signature": signature(URL), "Content-Type": "application/json"}
    assert verify(url=URL, headers=headers, body=b"", tokens=[TOKEN])
    assert not verify(url=URL, headers=headers, body=b"{}", tokens=[TOKEN])
    assert not verify(url=URL, headers=headers | {"Content-Type": FORM_TYPE}, body=b"{}", tokens=[TOKEN])


values = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
forms = st.lists(st.tuples(values.filter(bool), values), max_size=8)
hosts = st.from_regex(r"[a-z]{1,8}\.example(:8[0-9]{3})?", fullmatch=True)
urls = st.builds(
    "{}://{}/{}{}".format,
    st.sampled_from(["http", "https"]),
    hosts,
    st.from_regex(r"[a-z0-9_/]{0,12}", fullmatch=True),
    st.from_regex(r"(\?[a-z]=[a-z0-9%]{0,8})?", fullmatch=True),
)


@given(urls, forms, st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_what_twilio_signs_we_accept(url, fields, token):
    assert check(url, signature(url, fields, token), fields, tokens=["other", token])


@given(urls, forms, urls, forms)
def test_what_twilio_did_not_sign_we_refuse(url, fields, other_url, other_fields):
    signed = signature(url, fields)
    assume(not RequestValidator(TOKEN).validate(other_url, Form(other_fields), signed))
    assert not check(other_url, signed, other_fields)


@given(forms, st.data())
def test_a_changed_signature_is_refused(fields, data):
    right = signature(URL, fields)
    at = data.draw(st.integers(0, len(right) - 2))
    letter = data.draw(st.sampled_from("ABCDwxyz0189+/=").filter(lambda each: each != right[at]))
    assert not check(URL, right[:at] + letter + right[at + 1 :], fields)


@given(st.text(), st.dictionaries(st.text(), st.text()), st.binary(), st.lists(st.text()), st.text())
def test_hostile_requests_are_refused_without_an_error(url, headers, body, tokens, signature):
    for each in (url, URL, "https://" + url):
        for content_type in ("application/json", FORM_TYPE):
            sent = headers | {"X-Twilio-Signature": signature, "Content-Type": content_type}
            assert verify(url=each, headers=sent, body=body, tokens=[*tokens, TOKEN]) is False


def test_a_form_with_thousands_of_fields_is_refused_cheaply():
    body = b"&".join(b"a%d=" % number for number in range(5000))
    signed = signature(URL, parse_qsl(body.decode(), keep_blank_values=True))
    headers = {"X-Twilio-Signature": signed, "Content-Type": FORM_TYPE}
    assert not verify(url=URL, headers=headers, body=body, tokens=[TOKEN])
