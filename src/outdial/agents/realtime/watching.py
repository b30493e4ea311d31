"""For how long a callee has heard nothing of a model that speaks itself, and what keys they press. Pure."""

from collections.abc import Callable

DIGITS_S = 1.5  # after the last one the model is told of them


class Watch:
    """`quiet_s` is since we, or the callee, were heard last."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._since = now()
        self._was_starved = False

    @property
    def quiet_s(self) -> float:
        return self._now() - self._since

    def heard(self, ago_s: float = 0.0) -> None:
        self._since = self._now() - ago_s

    def look(self, *, speaks: bool, says: bool, starved: bool) -> None:
        """Now. `speaks`: the callee; `says`: something of ours is being said, which is `starved` where more of it is
        waited for."""
        if speaks or (says and not (starved and self._was_starved)):
            self.heard()
        self._was_starved = starved


class Keys:
    """Until they are an entry: # ends one, and so does a pause."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._keys, self._at = "", 0.0
        self._first_ms = self._last_ms = 0

    @property
    def are_pressed(self) -> bool:
        return bool(self._keys)

    def press(self, key: str, at_ms: int) -> None:
        if not self._keys:
            self._first_ms = at_ms
        self._keys, self._at, self._last_ms = self._keys + key, self._now(), at_ms

    def take(self) -> tuple[str, int, int] | None:
        """An entry, and when its first and its last key were pressed; None where there is none yet."""
        if not self._keys.endswith("#") and self._now() - self._at < DIGITS_S:
            return None
        keys, self._keys = self._keys, ""
        return keys, self._first_ms, self._last_ms
