"""Keys the callee pressed, read as entries: a number of so many digits, or up to `#`, or until a pause. Pure."""

GAP_MS = 2000  # after the last key, the entry is taken as complete
MAX_KEYS = 64  # that wait for somebody to read them


class Keypad:
    """Holds keys until they are read, so a callee who knows the menu may type ahead. Times are ms on the call clock."""

    def __init__(self) -> None:
        self._keys = ""
        self._times_ms: list[int] = []
        self._counted_ms: int | None = None  # when an entry was complete by its length

    def __bool__(self) -> bool:
        return bool(self._keys)

    def press(self, key: str, at_ms: int) -> bool:
        """False for a key that means nothing: the habitual `#` after an entry that was complete without it."""
        counted_ms, self._counted_ms = self._counted_ms, None
        if key == "#" and not self._keys and counted_ms is not None and at_ms - counted_ms < GAP_MS:
            return False
        if len(self._keys) < MAX_KEYS:
            self._keys += key
            self._times_ms.append(at_ms)
        return True

    def due_ms(self) -> int:
        """When the entry is complete if no further key comes."""
        return self._times_ms[-1] + GAP_MS

    def read(self, max_digits: int, now_ms: int) -> tuple[str, int, int] | None:
        """The entry of up to `max_digits` with the times of its first and last key, taken out; None while more
        keys may come. `#` ends an entry and isn't part of it, unless it is all there is."""
        if not self._keys:
            return None
        if max_digits == 1 or self._keys[0] == "#":
            return self._take(1, 1)
        if (hash_at := self._keys.find("#", 0, max_digits + 1)) > 0:
            return self._take(hash_at, hash_at + 1)
        if len(self._keys) >= max_digits:
            self._counted_ms = now_ms
            return self._take(max_digits, max_digits)
        if now_ms >= self.due_ms():
            return self._take(len(self._keys), len(self._keys))
        return None

    def _take(self, length: int, used: int) -> tuple[str, int, int]:
        entry, first_ms, last_ms = self._keys[:length], self._times_ms[0], self._times_ms[used - 1]
        self._keys = self._keys[used:]
        del self._times_ms[:used]
        return entry, first_ms, last_ms
