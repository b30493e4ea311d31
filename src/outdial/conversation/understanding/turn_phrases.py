"""What words of a language say about whose turn it is: that more is to come, that somebody only listens, that we are to
wait. Pure.

The same questions for every language, answered from its file.
"""

from collections.abc import Sequence

from outdial.conversation.turn_words import Asked
from outdial.conversation.understanding.digits import digit_runs
from outdial.conversation.understanding.language import Language, language_of
from outdial.conversation.understanding.meaning import Option
from outdial.conversation.understanding.options import best_option
from outdial.conversation.understanding.other_wishes import (
    asks_to_wait,
    is_back,
    is_greeting,
    is_listening,
    wants_floor,
)
from outdial.conversation.understanding.reading import read_utterance
from outdial.conversation.understanding.recorded import (
    ANNOUNCES,
    ASKS_NAME,
    ASKS_WHY,
    CHOICE,
    LIVE,
    NAMES,
    NO_LINE,
    PERSONAL,
    PRESS,
    REPORTED,
    SCREENS,
    answering,
    asks_name,
    cues,
    is_surely_screening,
    sounds_recorded,
)
from outdial.conversation.understanding.written_numbers import in_words
from outdial.telephony.verdict import AnsweredBy

MAX_HOLD_ON_WORDS = 16  # in a longer speech, "hold on" is part of a story
MAX_HELLO_WORDS = 6     # "hello, this is Jane Miller speaking"
_OF_GATES = frozenset({SCREENS, ASKS_NAME, ASKS_WHY, PRESS, CHOICE, ANNOUNCES, NO_LINE})
_OF_PEOPLE = frozenset({NAMES, LIVE, PERSONAL, REPORTED})


class TurnPhrases:
    """`of_course` is said to who asks us to wait, `still_there` when they have been away for long, `one_moment` while
    the agent takes its time, `sorry` when the callee's words were lost."""

    def __init__(self, language: Language, ours: Language | None = None) -> None:
        """`ours`: the language in which we speak, where that is another."""
        self._language = language
        texts = (ours or language).texts
        self.of_course = texts["of_course"]
        self.still_there = texts["still_there"]
        self.one_moment = texts["one_moment"]
        self.sorry = texts["sorry"]

    def is_open_ending(self, text: str, asked: Asked) -> bool:
        """Whether who said this is bound to go on: "my number is", "on, um", fewer digits than were asked for."""
        said = self._language.utterance(text)
        if not said.words:
            return False
        if asked.digits and 0 < len(self.digits(text)) < asked.digits:
            return True
        written = text.rstrip()
        if written.endswith(("...", "\u2026", "-", ",")):
            return True
        if written.endswith("?"):
            return False
        last = written.casefold().replace("\u2019", "'").split()[-1].strip(".,;:!")
        phrases = self._language.in_place["open_phrase"].find(said.words)
        return last in self._language.open_words or any(found.end == len(said.words) for found in phrases)

    def is_backchannel(self, text: str) -> bool:
        """Whether this only tells a speaker to go on: "mhm", "okay", "hello, this is she"."""
        return is_listening(self._language.utterance(text), self._language)

    def wants_floor(self, text: str) -> bool:
        """Whether this is said to whoever is speaking, however short it is: "no", "wait", "sorry?", "who is this?"."""
        return wants_floor(self._language.utterance(text), self._language)

    def is_hold_on(self, text: str) -> bool:
        """Whether we are asked to wait: "okay, hang on, I'm getting a pen"."""
        said = in_words(self._language.utterance(text), self._language)
        return len(said.words) <= MAX_HOLD_ON_WORDS and bool(asks_to_wait(read_utterance(said, self._language)))

    def is_back(self, text: str) -> bool:
        """Whether this tells no more than that who asked us to wait is there again: "okay, go ahead"."""
        return is_back(self._language.utterance(text), self._language)

    def is_hello(self, text: str) -> bool:
        """Whether whoever picked up says no more than that it is there: "Hello?", "Jane speaking."."""
        said = self._language.utterance(text)
        in_place = self._language.in_place
        return is_greeting(said, self._language) or is_listening(said, self._language) or (
            len(said.words) <= MAX_HELLO_WORDS and bool(set(in_place["identity"].find(said.words)))
        )

    def answering(self, text: str, *, has_greeted: bool = False) -> AnsweredBy | None:
        """Who answered, as far as words alone settle that: a voicemail (MACHINE), a screening service, a menu.
        `has_greeted`: whoever says this had said hello before and listened to us."""
        return answering(self._language.utterance(text), self._language, has_greeted=has_greeted)

    def sounds_recorded(self, text: str) -> bool:
        """Whether any of it is what recordings say; fewer words than `answering` needs."""
        return sounds_recorded(self._language.utterance(text), self._language)

    def is_gate(self, text: str) -> bool:
        """Whether this is of a screening service's or a menu's work, or of an announcement, and of nobody's who says
        who they are or speaks to us as people do."""
        kinds = set(cues(self._language.utterance(text), self._language))
        return bool(kinds & _OF_GATES) and not kinds & _OF_PEOPLE

    def asks_name(self, text: str) -> bool:
        """Whether we are asked who we are: "please say your name"."""
        return asks_name(self._language.utterance(text), self._language)

    def is_surely_screening(self, text: str) -> bool:
        """Whether a screening service says so itself, as nobody does who only asks who is calling, and why."""
        return is_surely_screening(self._language.utterance(text), self._language)

    def said(self, text: str, phrases: Sequence[str]) -> int | None:
        """Which of these is said in it: the longest; None for none."""
        said = in_words(self._language.utterance(text), self._language)
        found = best_option(said, self._language, [Option(words=(phrase,)) for phrase in phrases])
        return None if found is None else found.option

    def digits(self, text: str) -> str:
        """The digits that were spoken, in their order; "" when none were. A lone one is none in the middle of other
        words ("I don't have one"), but where nothing else is said, or only what numbers begin with."""
        said = self._language.utterance(text)
        runs = digit_runs(said, self._language)
        digits = "".join(run.digits for run in runs)
        if len(digits) == 1:
            around = {place for run in runs for place in range(run.start, run.end)}
            for begins in self._language.in_place["open_phrase"].find(said.words):
                around.update(range(begins.start, begins.end))
            if self._language.core(said.without(around).words):
                return ""
        return digits

    def unread_between_digits(self, text: str) -> int:
        """How many words stand between its digits that are none, and nothing else that is understood there: digits that
        were misheard, perhaps. 0 where it doesn't end with a digit."""
        said = self._language.utterance(text)
        runs = digit_runs(said, self._language)
        if not runs or runs[-1].end != len(said.words):
            return 0
        return runs[-1].end - runs[0].start - sum(run.end - run.start for run in runs)


def turn_phrases(tag: str, ours: str | None = None) -> TurnPhrases:
    """Those of the language of a BCP 47 tag; English ones where there are none for it. `ours`: the language in which we
    speak, where that is another."""
    return TurnPhrases(language_of(tag), None if ours is None else language_of(ours))
