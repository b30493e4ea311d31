"""A call under the name its carrier has for it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierCall:
    """A call as its carrier knows it: the id, and whatever else the carrier has to be given to find it again."""

    id: str
    refs: Mapping[str, str] = field(default_factory=dict)

    def with_refs_of(self, other: Self) -> Self:
        return self if not other.refs else replace(self, refs={**self.refs, **other.refs})
