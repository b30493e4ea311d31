"""Whether a text has a sentence word for word; only letters, digits and their order matter. Pure."""

import re

_WORD = re.compile(r"\w+")


def says(text: str, sentence: str) -> bool:
    """Whether the whole sentence is in it."""
    return f" {_words(sentence)} " in f" {_words(text)} "


def has_words(sentence: str | None) -> bool:
    return bool(_words(sentence or ""))


def _words(text: str) -> str:
    return " ".join(_WORD.findall(text.casefold()))
