"""Texts that name secrets, and texts that repeat them."""

import base64
import json
from urllib.parse import quote

import pytest

from outdial.secrets.placeholders import PlaceholderError, fill, names_in
from outdial.secrets.redaction import redact

VALUE = 'sk/live+"0123?456789'


def test_a_text_names_its_secrets_each_once():
    assert names_in("Basic {secret:user}:{secret:password}{secret:user}") == ("user", "password")
    assert names_in("no {name} and {{secret}} here") == ()


@pytest.mark.parametrize(
    "text",
    ["{secret:}", "{secret:Key}", "{secret: key}", "{ secret:key}", "{secret.key}", "{SECRET:key}", "{secret:key"],
)
def test_what_is_nearly_a_secret_is_told(text):
    with pytest.raises(PlaceholderError, match=r"write \{secret:name\}"):
        names_in(text)


def test_a_text_is_filled_in_once():
    values = {"a": "{secret:b}", "b": "never"}
    assert fill("Bearer {secret:a}", values) == "Bearer {secret:b}"


@pytest.mark.parametrize(
    "form",
    [
        VALUE,
        quote(VALUE, safe=""),
        quote(VALUE),
        json.dumps(VALUE),
        repr(VALUE),
        base64.b64encode(VALUE.encode()).decode(),
        base64.b64encode(f"user:{VALUE}".encode()).decode(),
        base64.b64encode(f"us:{VALUE}".encode()).decode(),
        base64.urlsafe_b64encode(f"u:{VALUE}".encode()).decode(),
    ],
)
def test_no_form_of_a_value_is_left_in_a_text(form):
    left = redact(f"401: header was {form}; try again", [VALUE])
    assert not any(each in left for each in ("live", VALUE, form.strip("\"'")))
    assert left.startswith("401: header was ")
    assert left.endswith("; try again")


def test_other_texts_stay_as_they_are():
    assert redact("401 Unauthorized", [VALUE, "a", ""]) == "401 Unauthorized"
