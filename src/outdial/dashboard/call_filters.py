"""The filters of the page Calls, as its address has them: what was typed, what it means, and what is wrong with it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from pydantic import ValidationError

from outdial.api.problems import field_errors
from outdial.history.call_filter import CallFilter

PAGE_SIZE = 50
SEARCHED = (
    "words", "party", "state", "end_reason", "outcome", "answered_by", "ended_by", "number_id", "agent_id",
    "direction", "created_after", "created_before",
)  # fmt: skip
# Folded away.
FURTHER = frozenset({"ended_by", "number_id", "agent_id", "direction", "created_after", "created_before"})

LISTS = ("state", "end_reason", "ended_by", "outcome")  # the API takes several values of each

_PUNCTUATION = re.compile(r"[\s().\-/]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """`typed` is as it came; `wanted` None when something in it is wrong, and `errors` says at which field."""

    typed: Mapping[str, str]
    wanted: CallFilter | None
    errors: Mapping[str, str] = field(default_factory=dict)
    cursor: str | None = None

    @property
    def any(self) -> bool:
        return bool(self.typed)

    @property
    def further(self) -> bool:
        """Whether one of those is used that are folded away."""
        return not FURTHER.isdisjoint(self.typed)

    def url(self, path: str, cursor: str | None = None) -> str:
        """`path` with these filters, on another page."""
        given = {name: _meant(name, value) for name, value in self.typed.items()}
        query = urlencode(given | ({} if cursor is None else {"cursor": cursor}))
        return f"{path}?{query}" if query else path


def read_filters(query: Mapping[str, str]) -> Filters:
    """From a query string. What isn't a filter is left alone: links get things added on their way."""
    typed = {name: query[name].strip() for name in SEARCHED if query.get(name, "").strip()}
    cursor = query.get("cursor") or None
    values = {name: _meant(name, value) for name, value in typed.items()}
    lists = {name: [values.pop(name)] for name in LISTS if name in values}
    try:
        wanted = CallFilter.model_validate(values | lists | {"limit": PAGE_SIZE, "cursor": cursor})
    except ValidationError as error:
        wrong = field_errors([{**each, "loc": ("query", *each["loc"])} for each in error.errors()])
        errors = {_name(each["field"]): _sentence(each["message"]) for each in wrong}
        return Filters(typed=typed, wanted=None, errors=errors)
    return Filters(typed=typed, wanted=wanted, cursor=cursor)


def _meant(name: str, value: str) -> str:
    """Phone numbers come with spaces and brackets, and without the + that a query string takes for a space."""
    if name != "party":
        return value
    digits = _PUNCTUATION.sub("", value)
    return f"+{digits.removeprefix('00')}" if digits.isdecimal() else digits


def _name(field_name: str) -> str:
    return field_name.partition("[")[0]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
