"""Which half of the day an hour is in: "in the morning", "heute Abend", "de la noche". Pure.

From the section [times] of a language's file: phrases in `morning`, `afternoon` and `night`. They count right behind a
time; of several words also before it; and where `anywhere` is set, wherever they are said.
"""

from enum import StrEnum

from outdial.conversation.understanding.language import Language
from outdial.conversation.understanding.phrase_book import Found, PhraseBook, Words, cover

FIRST_MORNING_HOUR = 7  # where nobody says which half
LAST_NIGHT_HOUR = 5     # of a night that has begun the day before
KNOWN = 100


class Half(StrEnum):
    MORNING = "am"
    AFTERNOON = "pm"
    NIGHT = "night"  # twelve is midnight, two is in the morning, eight in the evening


_LISTS = {Half.MORNING: "morning", Half.AFTERNOON: "afternoon", Half.NIGHT: "night"}
_GREETING = "greeting"  # "guten Abend" says no half


class HalvesOfDay:
    def __init__(self, language: Language) -> None:
        data = language.data.get("times", {})
        plain = language.plain
        self._phrases = {half: [plain(phrase) for phrase in data.get(name, ())] for half, name in _LISTS.items()}
        self._anywhere = bool(data.get("anywhere", False))
        self._book = PhraseBook({}, plain)
        self._book.add(_GREETING, data.get("greetings", ()))
        for half, name in _LISTS.items():
            self._book.add(half, data.get(name, ()))

    def around(self, words: Words, start: int, end: int) -> str:
        """The half that is said of the time `words[start:end]`; "" for none."""
        if self._anywhere:
            return self._nearest(words, start, end)
        for half, phrases in self._phrases.items():
            if any(words[end : end + len(phrase)] == phrase for phrase in phrases):
                return half
        before = words[:start]
        for half, phrases in self._phrases.items():
            if any(len(one) > 1 and before[i : i + len(one)] == one for one in phrases for i in range(start)):
                return half
        return ""

    def inside(self, words: Words) -> set[int]:
        """The places of phrases of several words, which say no time: "après-midi" is no noon."""
        if not self._anywhere:
            return set()
        return {place for one in self._found(words) if len(one) > 1 for place in range(one.start, one.end)}

    def hour(self, hour: int, half: str) -> int:
        """Of 24. An hour whose half is known already is KNOWN more."""
        if hour >= KNOWN:
            return hour - KNOWN
        match half:
            case Half.MORNING:
                return 0 if hour == 12 else hour
            case Half.AFTERNOON:
                return hour if hour >= 12 else hour + 12
            case Half.NIGHT if hour <= LAST_NIGHT_HOUR or hour == 12:
                return hour % 12
            case Half.NIGHT:
                return hour if hour > 12 else hour + 12
        return hour + 12 if 0 < hour < FIRST_MORNING_HOUR else hour

    def _nearest(self, words: Words, start: int, end: int) -> str:
        """Right behind it, else the last before it, else the first behind it."""
        found = [one for one in self._found(words) if one.tag != _GREETING]
        behind = [one for one in found if one.start >= end]
        before = [one for one in found if one.end <= start]
        if behind and (behind[0].start == end or not before):
            return behind[0].tag
        return before[-1].tag if before else ""

    def _found(self, words: Words) -> list[Found]:
        return cover(self._book.find(words), (_GREETING, *_LISTS))
