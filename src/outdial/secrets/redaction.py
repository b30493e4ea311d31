"""Texts of others that may repeat a secret we sent them: an error that quotes a header, an address that was asked for.
Pure."""

import base64
import json
from collections.abc import Collection
from urllib.parse import quote, quote_plus

HIDDEN = "[secret]"
SHORTEST = 4  # characters: what is shorter stands in any text


def redact(text: str, values: Collection[str]) -> str:
    """`text` without these values, however they are written: as they are, in a URL, in JSON, in Base64."""
    forms = {form for value in values if len(value) >= SHORTEST for form in _forms(value)}
    for form in sorted(forms, key=len, reverse=True):  # one may hold another
        text = text.replace(form, HIDDEN)
    return text


def _forms(value: str) -> set[str]:
    in_json = {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    in_urls = {quote(value), quote(value, safe=""), quote_plus(value)}
    lower = {one.replace("%2F", "%2f").replace("%3A", "%3a") for one in in_urls}
    return {value, repr(value)[1:-1], *in_json, *in_urls, *lower, *_encoded(value)}


def _encoded(value: str) -> set[str]:
    """What of it stands in Base64, wherever in the encoded text it begins: `user:value` is a header of HTTP's."""
    found = set()
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            encoded = encode(b"\0" * before + value.encode()).decode().rstrip("=")
            # The first and the last characters hold bits of what stands beside it.
            inside = encoded[-(-before * 8 // 6) : (before + len(value.encode())) * 8 // 6]
            if len(inside) >= 2 * SHORTEST:
                found.add(inside)
    return found
