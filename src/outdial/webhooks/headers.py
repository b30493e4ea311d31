"""Headers that users have sent along with every request: which may be. Pure."""

import re
from collections.abc import Mapping

MAX_HEADERS = 10
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_OURS = re.compile(
    r"(?i)webhook-.*|content-.*|host|connection|transfer-encoding|accept-encoding|te|trailer|upgrade|expect|keep-alive"
)


def check_headers(headers: Mapping[str, str]) -> None:
    """Raises ValueError with a reason for whoever gave them."""
    if len(headers) > MAX_HEADERS:
        raise ValueError(f"has {len(headers)} headers, at most {MAX_HEADERS} are allowed")
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name[:100]!r} is no name of a header")
        if _OURS.fullmatch(name):
            raise ValueError(f"{name} is set by Outdial")
        if not value.isascii() or not value.isprintable() or not 0 < len(value) <= 1000:
            raise ValueError(f"the value of {name} must be 1 to 1000 printable ASCII characters")
