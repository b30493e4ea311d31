"""How a language says dates; from the section [dates] of its file. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from outdial.conversation.understanding.language import Language
from outdial.conversation.understanding.phrase_book import PhraseBook, Words
from outdial.conversation.understanding.utterance import Utterance

UNWANTED = ""  # in place of words that look like a day, and are none: "por la mañana"


@dataclass(frozen=True, slots=True)
class DateText:
    """What was said, without what says nothing of a day. `articled` are the places behind an article ("el quince"),
    `raw` where each word stands in the utterance."""

    words: Words
    articled: frozenset[int]
    raw: tuple[int, ...]

    def begins(self, phrase: Words, place: int) -> bool:
        return self.words[place : place + len(phrase)] == phrase

    def has(self, place: int) -> bool:
        return place < len(self.words)


class DateWords:
    """`weeks` are phrases before or behind a weekday, and how many weeks ahead they mean; `this_behind` those behind
    one that mean the coming one. `later`: "en huit" behind a day, and the days it adds. `day_counts`: "huit jours" are
    a week. `cardinal_days`: "viernes quince" is a day of the month; `clock_words` behind the number say that it isn't
    ("vendredi quinze heures")."""

    def __init__(self, language: Language) -> None:
        data = language.data.get("dates", {})
        self._plain = language.plain
        self.skipped = frozenset(data.get("skipped", ()))
        self.weekdays: dict[str, int] = data.get("weekdays", {})
        self.months: dict[str, int] = data.get("months", {})
        self.relative = self._table(data.get("relative", {}))
        self.units: dict[str, int] = data.get("units", {})
        self.month_units = frozenset(data.get("month_units", ()))
        self.day_counts = {int(count): days for count, days in data.get("day_counts", {}).items()}
        self.weeks = self._table({**dict.fromkeys(data.get("after_next", ()), 1), **data.get("weeks", {})})
        self.before = self._before(data)
        self.this_behind = self._list(data.get("this_behind", ()))
        self.later = self._table(data.get("later", {}))
        self.ahead = frozenset(data.get("ahead", ()))
        self.from_now = self._list(data.get("from_now", ()))
        self.week_from = self._list(data.get("week_from", ()))
        self.month_first = bool(data.get("month_first", False))
        self.one = frozenset(data.get("one", ()))
        self.articles = frozenset(data.get("articles", ()))
        self.no_days = frozenset(data.get("no_days", ()))
        self.cardinal_days = bool(data.get("cardinal_days", False))
        self.parts_of_day = self._list(data.get("parts_of_day", ()))
        self.ordinal_months = bool(data.get("ordinal_months", False))
        self.numeric_months = bool(data.get("numeric_months", False))
        self.short_years = bool(data.get("short_years", False))
        self.clock_words = frozenset([UNWANTED, *data.get("clock_words", ())])
        self._unwanted = PhraseBook({}, language.plain)
        self._unwanted.add("unwanted", data.get("unwanted", ()))

    def text(self, said: Utterance) -> DateText:
        words = list(said.words)
        for one in self._unwanted.find(said.words):
            words[one.start : one.end] = [UNWANTED] * len(one)
        kept = [place for place, word in enumerate(words) if word not in self.skipped]
        articled = (index for index, place in enumerate(kept) if place > 0 and words[place - 1] in self.articles)
        return DateText(tuple(words[place] for place in kept), frozenset(articled), tuple(kept))

    def _phrase(self, phrase: str) -> Words:
        """Without what is skipped in what is said, too."""
        return tuple(word for word in self._plain(phrase) if word not in self.skipped)

    def _before(self, data: Mapping[str, Any]) -> dict[Words, int | None]:
        """What may stand before a weekday: how many weeks ahead it means, None for the coming one."""
        made: dict[Words, int | None] = dict.fromkeys(self._list(data.get("this", ())))
        made |= dict.fromkeys(self._list(data.get("next", ())), 1) | self.weeks
        return dict(sorted(made.items(), key=lambda one: -len(one[0])))

    def _list(self, phrases: Iterable[str]) -> list[Words]:
        return sorted(map(self._phrase, phrases), key=lambda words: -len(words))

    def _table(self, table: Mapping[str, Any]) -> dict[Words, int]:
        """The longest first."""
        made = {self._phrase(phrase): value for phrase, value in table.items()}
        return dict(sorted(made.items(), key=lambda one: -len(one[0])))


@cache
def date_words(language: Language) -> DateWords:
    return DateWords(language)
