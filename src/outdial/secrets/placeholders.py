"""Texts with secrets in them: `Bearer {secret:weather_key}`. Pure.

Only where a kind of agent says so, which is never in what is said or told to a model.
"""

import re
from collections.abc import Mapping

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
NAMES_ARE = "a small letter, then small letters, digits and _, 63 at most"
_PLACEHOLDER = re.compile(rf"\{{secret:({NAME.pattern})\}}")
_BEGUN = re.compile(r"\{\s*secret\s*[:.|][^{}]{0,80}\}?", re.IGNORECASE)


class PlaceholderError(ValueError):
    """What was meant for a secret names none; the message says what is wrong."""


def names_in(text: str) -> tuple[str, ...]:
    """Of the secrets that a text names, each once. Raises PlaceholderError."""
    for begun in _BEGUN.finditer(text):
        if not _PLACEHOLDER.fullmatch(begun[0]):
            raise PlaceholderError(f"{begun[0][:60]} is no secret: write {{secret:name}}; a name is {NAMES_ARE}")
    return tuple(dict.fromkeys(_PLACEHOLDER.findall(text)))


def fill(text: str, values: Mapping[str, str]) -> str:
    """`values` has all that `names_in` names. What a value holds is not looked into again."""
    return _PLACEHOLDER.sub(lambda found: values[found[1]], text)
