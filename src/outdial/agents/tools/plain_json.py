"""JSON of strangers, read into what may be kept: PostgreSQL's JSON has no NUL, no half of a character, and no number
that is none. Pure."""

import json
import math
import re
from typing import Any

_ODD = re.compile(r"[\x00\ud800-\udfff]")


def read_json(text: str) -> Any:
    """Raises ValueError."""
    try:
        return clean(json.loads(text))
    except RecursionError:
        raise ValueError("nested too deep") from None


def clean(value: Any) -> Any:
    match value:
        case str():
            return _ODD.sub("\ufffd", value)
        case float() if not math.isfinite(value):
            return str(value)
        case dict():
            return {clean(str(name)): clean(one) for name, one in value.items()}
        case list() | tuple():
            return [clean(one) for one in value]
    return value
