"""What to put back at a carrier when a number goes. Pure; kept as JSON beside the number."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedUndo:
    """Of a number that was removed already: what is shared with others is put back with the last of them."""

    e164: str
    carrier: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """`carrier` is what the carrier's `disconnect` wants for this number, None where connecting changed nothing there.
    `made`: the account's credentials that connecting made. `earlier`: of removed numbers of the account, oldest first.
    """

    carrier: Mapping[str, Any] | None
    made: frozenset[str] = frozenset()
    earlier: tuple[RemovedUndo, ...] = ()

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Undo":
        earlier = (RemovedUndo(e164=each["e164"], carrier=each["carrier"]) for each in kept.get("earlier", ()))
        return cls(carrier=kept["carrier"], made=frozenset(kept["made"]), earlier=tuple(earlier))

    def to_json(self) -> dict[str, Any]:
        kept: dict[str, Any] = {"carrier": self.carrier, "made": sorted(self.made)}
        if self.earlier:
            kept["earlier"] = [{"e164": each.e164, "carrier": each.carrier} for each in self.earlier]
        return kept

    def inheriting(self, removed: "Undo", e164: str, *, is_put_back: bool) -> "Undo":
        """This and what a removed number (`e164`) leaves to it: what others share with it, and its own once more if it
        `is_put_back`, for the shared part of that waits for the last."""
        earlier = removed.earlier + self.earlier
        if is_put_back and removed.carrier is not None:
            earlier += (RemovedUndo(e164=e164, carrier=removed.carrier),)
        return replace(self, made=self.made | removed.made, earlier=earlier)


NOTHING = Undo(carrier=None)
