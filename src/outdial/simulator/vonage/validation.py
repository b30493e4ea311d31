"""JSON checked against a msgspec type, with the complaint in Vonage's terms: which parameter, and why."""

import re
from typing import Annotated, Any, TypeVar

import msgspec

T = TypeVar("T")

_REASONS = {
    (_NUMBER := r"^\+?[0-9]{7,15}\Z"): "can contain up to 15 digits prefixed with +",
    (_URL := r"^https?://[^/\s]"): "must be an http or https URL",
    (_SOCKET := r"^wss?://[^/\s]"): "must be a websocket URL",
    (_DIGITS := r"^[0-9*#p]+\Z"): "must contain only 0-9, *, # and p",
}

Number = Annotated[str, msgspec.Meta(pattern=_NUMBER)]
Url = Annotated[str, msgspec.Meta(pattern=_URL, max_length=2048)]
OneUrl = Annotated[list[Url], msgspec.Meta(min_length=1, max_length=1)]
SocketUrl = Annotated[str, msgspec.Meta(pattern=_SOCKET, max_length=2048)]
Digits = Annotated[str, msgspec.Meta(pattern=_DIGITS, max_length=64)]

_PATH = re.compile(r"^(?P<reason>.*?)(?: - at `(?P<path>.*)`)?$", re.DOTALL)
_FIELD = re.compile(r"^Object (?P<what>missing required|contains unknown) field `(?P<name>.*)`$", re.DOTALL)
_PATTERN = re.compile(r"^Expected `str` matching regex '(?P<pattern>.*)'$", re.DOTALL)


class Invalid(ValueError):
    """`name` is the path of the parameter, such as `to[0].number`; "" for the whole."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


def decode(body: bytes, type_: type[T]) -> T:
    """Raises Invalid."""
    try:
        content = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise Invalid("", "must be JSON") from exc
    decoded: T = convert(content, type_)
    return decoded


def convert(content: Any, type_: Any) -> Any:
    """Raises Invalid."""
    try:
        return msgspec.convert(content, type_)
    except msgspec.ValidationError as exc:
        raise _invalid(str(exc)) from exc


def _invalid(message: str) -> Invalid:
    found = _PATH.match(message)
    assert found is not None  # the pattern matches any text
    reason, path = found["reason"], (found["path"] or "$").removeprefix("$").removeprefix(".")
    field = _FIELD.match(reason)
    if field is not None:
        name = f"{path}.{field['name']}".removeprefix(".")
        return Invalid(name, "is required" if field["what"].startswith("missing") else "is not allowed")
    pattern = _PATTERN.match(reason)
    if pattern is not None:
        reason = _REASONS.get(pattern["pattern"].replace("\\\\", "\\"), reason)
    return Invalid(path, reason)
