"""Keys the callee pressed, read as entries: a number of so many digits, or up to `#`, or until a pause. Pure.

What belongs to one entry never answers the next question: `*` begins it anew, a leading 1 of North America may come
with ten digits, and keys too many are dropped, up to their `#` or a pause. Entries of one or two digits are those of
menus, which people type ahead. Who asks may have other keys end an entry, or another pause (`Keying`).
"""

from dataclasses import dataclass

GAP_MS = 2000       # after the last key, the entry is taken as complete
SLOW_GAP_MS = 5000  # … at most, for whoever types slowly: PACE times as long as the longest pause between two keys
PACE = 2.5
SURPLUS_MS = 1500   # a key that follows the last of a whole entry so soon belongs to it
MAX_KEYS = 64       # that wait for somebody to read them
MENU = 2            # digits of a menu's entry: there every key too many is typed ahead, and `*` is a key
TEN = 10            # digits of a North American number, which many dial with a 1 before it

Entry = tuple[str, int, int]  # with the times of its first and its last key


@dataclass(frozen=True, slots=True, kw_only=True)
class Keying:
    """What ends an entry before it has all its digits: one of the keys `ends`, or a pause of `gap_ms` (None: GAP_MS, or
    longer for whoever types slowly)."""

    ends: str = "#"
    gap_ms: int | None = None

    def find_end(self, keys: str, until: int) -> int:
        """The place of the first such key before `until`; -1 where there is none."""
        return min((at for key in self.ends if (at := keys.find(key, 0, until)) >= 0), default=-1)


USUAL = Keying()


class Keypad:
    """Holds keys until they are read, so a callee who knows the menu may type ahead. Times are ms on the call clock."""

    def __init__(self) -> None:
        self.keying = USUAL  # of the entry that is read, and of what belongs to it
        self._keys = ""
        self._times_ms: list[int] = []
        self._counted_ms: int | None = None  # when an entry was complete by its length
        self._surplus_ms: int | None = None  # until when keys still belong to an entry that was

    def __bool__(self) -> bool:
        return bool(self._keys)

    def press(self, key: str, at_ms: int) -> bool:
        """False for a key that means nothing: the habitual `#`, or what else ends an entry, after one that was complete
        without it, or one of several too many."""
        counted_ms, self._counted_ms = self._counted_ms, None
        is_end = key in self.keying.ends
        if is_end and not self._keys and counted_ms is not None and at_ms - counted_ms < GAP_MS:
            self._surplus_ms = None
            return False
        if self._surplus_ms is not None and not self._keys and at_ms < self._surplus_ms:
            self._surplus_ms = None if is_end else at_ms + SURPLUS_MS
            return False
        self._surplus_ms = None
        if len(self._keys) < MAX_KEYS:
            self._keys += key
            self._times_ms.append(at_ms)
        return True

    def due_ms(self) -> int:
        """When the entry is complete if no further key comes."""
        return self._times_ms[-1] + self._gap_ms()

    def read(self, max_digits: int, now_ms: int) -> Entry | None:
        """The entry of up to `max_digits` with the times of its first and last key, taken out; None while more
        keys may come. The key that ends an entry isn't part of it, unless it is all there is."""
        takes_back = max_digits > MENU and "*" not in self.keying.ends
        if takes_back:
            self._begin_anew()
        if not self._keys:
            return None
        if max_digits == 1 or self._keys[0] in self.keying.ends:
            return self._take(1, 1)
        most = TEN + 1 if max_digits == TEN and self._keys[0] == "1" else max_digits
        if (end_at := self.keying.find_end(self._keys, most + 1)) > 0:
            return self._without_trunk(self._take(end_at, end_at + 1), max_digits)
        corrects = takes_back and self._keys.find("*", 1) > 0  # and what is right is still to come
        if len(self._keys) >= most and not corrects:
            self._counted_ms = now_ms
            entry = self._without_trunk(self._take(most, most), max_digits)
            self._drop_surplus(entry[2], max_digits)
            return entry
        if now_ms >= self.due_ms():
            return self._without_trunk(self._take(len(self._keys), len(self._keys)), max_digits)
        return None

    def _gap_ms(self) -> int:
        if self.keying.gap_ms is not None:
            return self.keying.gap_ms
        pauses = [after - before for before, after in zip(self._times_ms, self._times_ms[1:], strict=False)]
        return round(min(SLOW_GAP_MS, max([GAP_MS, *(PACE * pause for pause in pauses)])))

    def _begin_anew(self) -> None:
        """`*` behind a digit takes back what was entered so far, as soon as something else is."""
        end = self.keying.find_end(self._keys, len(self._keys))
        star = self._keys.rfind("*", 1, len(self._keys) if end < 0 else end)
        if 0 < star < len(self._keys) - 1:
            self._keys = self._keys[star + 1 :]
            del self._times_ms[: star + 1]

    def _drop_surplus(self, last_ms: int, max_digits: int) -> None:
        """What was keyed in one go with an entry, and is too much for it."""
        if max_digits <= MENU:
            return
        while self._keys and self._times_ms[0] - last_ms < SURPLUS_MS:
            key, last_ms = self._keys[0], self._times_ms[0]
            self._keys = self._keys[1:]
            del self._times_ms[0]
            if key in self.keying.ends:
                self._counted_ms = None
                return
        self._surplus_ms = last_ms + SURPLUS_MS

    def _without_trunk(self, entry: Entry, max_digits: int) -> Entry:
        digits, first_ms, last_ms = entry
        if max_digits == TEN and len(digits) == TEN + 1:
            return digits[1:], first_ms, last_ms
        return entry

    def _take(self, length: int, used: int) -> Entry:
        entry, first_ms, last_ms = self._keys[:length], self._times_ms[0], self._times_ms[used - 1]
        self._keys = self._keys[used:]
        del self._times_ms[:used]
        return entry, first_ms, last_ms
