"""What `outdial doctor` finds."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    OK = "ok"
    WARN = "warn"  # works, but not everything or not safely
    FAIL = "fail"  # calls can't be placed


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`todo` is what to do about it; None when all is well."""

    subject: str
    status: Status
    found: str
    todo: str | None = None
