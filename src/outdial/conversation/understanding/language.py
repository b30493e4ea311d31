"""A language: what people say in it, from `languages/<tag>.toml`. Pure, once the file is read."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, cast

from outdial.conversation.understanding.joined_numbers import JoinedNumbers
from outdial.conversation.understanding.near_spelling import NearSpelling
from outdial.conversation.understanding.phrase_book import PhraseBook, Words
from outdial.conversation.understanding.utterance import Utterance, read_words, without_accents

ENGLISH = "en"
# Kinds of phrases that mean something by themselves, the stronger first; the rest only in their place.
MEANINGS = (
    "neutral", "undecided", "wait", "repeat", "not_deceased", "deceased", "yes_firm", "yes_soft", "no", "no_weak",
    "yes", "condition", "wrong_number", "not_here", "no_at_end", "yes_at_end", "wait_at_end",
)  # fmt: skip
AT_END = "_at_end"  # of a kind: its phrases count where a clause ends behind them
ALONE = ("yes_alone", "yes_weak", "no_alone", "repeat_alone")  # count when nothing else is said
IN_PLACE = (
    "question", "not_question", "do_not_call", "do_not_call_limit", "not_do_not_call", "do_not_call_goes_on", "naming",
    "hello", "around_hello", "listening", "wants_floor", "back", "open_phrase", "repair", "asks_who", "identity",
)  # fmt: skip
ACCENTED = ("texts", "read_back", "letters")  # sections that keep their accents and capitals


class Language:
    """`texts` are what Outdial says by itself in it, by their names; `read_back` how it says values (said_back.py)."""

    def __init__(self, tag: str, data: Mapping[str, Any]) -> None:
        self.tag = tag
        self.texts: Mapping[str, str] = data["texts"]
        self.read_back: Mapping[str, Any] = data.get("read_back", {})
        self.data = data
        self._contractions = cast(dict[str, str], data.get("contractions", {}))
        self._endings = tuple(cast(dict[str, str], data.get("endings", {})).items())
        self._prefixes = tuple(cast(dict[str, str], data.get("prefixes", {})).items())
        self.joined_numbers = JoinedNumbers(data.get("numbers", {}))
        words = data.get("words", {})
        self.fillers = frozenset(listed(words.get("fillers", "")))
        self.negations = frozenset(listed(words.get("negations", "")))
        self.noes = frozenset(listed(words.get("noes", "")))
        self.denials = self.negations - self.noes  # a "no" of its own denies nothing: "no, Friday", "no stop calling"
        self.no_denies = bool(words.get("no_denies", False))  # … but where there is no other "not"
        self.plain_yes = frozenset(listed(words.get("plain_yes", "")))
        self.hearing = frozenset(listed(words.get("hearing", "")))
        self.own_need = frozenset(listed(words.get("own_need", "")))
        self.relations = frozenset(listed(words.get("relations", "")))
        self.after_no = frozenset(listed(words.get("after_no", "")))
        self.before_question = frozenset(listed(words.get("before_question", ""))) | self.fillers
        self.weak_nots = frozenset(listed(words.get("weak_nots", "")))
        self.open_words = frozenset(listed(words.get("open", "")))
        self.breaks = frozenset(listed(words.get("breaks", "")))
        self.near = NearSpelling(frozenset(listed(words.get("distinct", ""))))
        # What gives an answer in a word or two, by its keyword; empty where nobody wrote it.
        self.short_answers = {name: listed(lines) for name, lines in data.get("short_answers", {}).items()}
        self._plain_word = cache(self._words_of)
        self.utterance = lru_cache(maxsize=1024)(self._utterance)
        self._lists = {name: listed(lines) for name, lines in data.get("lists", {}).items()}
        phrases: Mapping[str, str] = data["phrases"]
        unknown = phrases.keys() - {*MEANINGS, *ALONE, *IN_PLACE}
        if unknown:
            raise ValueError(f"{tag}: unknown kinds of phrases: {sorted(unknown)}")
        self.meanings = self.book(phrases, MEANINGS)
        self.alone = self.book(phrases, ALONE)
        self.greetings = self.book(phrases, ("hello", "around_hello"))
        self.recorded = self.book(data.get("recorded", {}), data.get("recorded", {}))
        self.in_place = {kind: self.book(phrases, (kind,)) for kind in IN_PLACE}

    def book(self, phrases: Mapping[str, str], kinds: Iterable[str]) -> PhraseBook:
        book = PhraseBook(self._lists, self.plain)
        for kind in kinds:
            book.add(kind, listed(phrases.get(kind, "")))
        return book

    def _utterance(self, text: str) -> Utterance:
        return read_words(self.joined_numbers.together(text), self._written_out)

    def plain(self, phrase: str) -> Words:
        """A phrase's words, as an utterance has them; "*" stays."""
        return tuple(word for part in phrase.split() for word in self._plain_word(part))

    def _words_of(self, part: str) -> Words:
        return ("*",) if part == "*" else self.utterance(part).words

    def core(self, words: Words) -> Words:
        """Without what changes nothing."""
        return tuple(word for word in words if word not in self.fillers)

    def _written_out(self, word: str) -> str:
        if word in self._contractions:
            return self._contractions[word]
        for ending, full in self._endings:
            if word.endswith(ending) and len(word) > len(ending):
                return word.removesuffix(ending) + full
        for prefix, full in self._prefixes:
            if word.startswith(prefix) and len(word) > len(prefix):
                return full + word.removeprefix(prefix)
        return self.joined_numbers.apart(word.replace("'", ""))


def listed(text: str) -> tuple[str, ...]:
    """Phrases, separated by commas and lines."""
    return tuple(phrase for part in re.split(r"[,\n]", text) if (phrase := part.strip()))


@cache
def language_of(tag: str) -> Language:
    """The language of a BCP 47 tag; English where there are no phrases for it (`is_known`)."""
    own = tag.lower().partition("-")[0]
    return _read(own if is_known(own) else ENGLISH)


@cache
def is_known(tag: str) -> bool:
    return tag.lower().partition("-")[0] in known_languages()


@cache
def known_languages() -> tuple[str, ...]:
    folder = files("outdial.conversation.understanding").joinpath("languages")
    return tuple(sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml")))


@cache
def _read(tag: str) -> Language:
    file = files("outdial.conversation.understanding").joinpath("languages", f"{tag}.toml")
    data = tomllib.loads(file.read_text(encoding="utf-8"))
    return Language(tag, {name: part if name in ACCENTED else _as_said(part) for name, part in data.items()})


def _as_said(part: Any) -> Any:
    """Without accents and capitals, as utterances are."""
    match part:
        case str():
            return without_accents(part).casefold()
        case list():
            return [_as_said(each) for each in part]
        case dict():
            return {_as_said(name): _as_said(each) for name, each in part.items()}
    return part
