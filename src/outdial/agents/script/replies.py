"""What the callee's replies mean to a script: which of its answers, or what else is wanted."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from outdial import clock
from outdial.agents.script.model import Answer, Ask, Script
from outdial.agents.script.template import Text
from outdial.conversation.live_call import LiveCall
from outdial.conversation.understanding.language import language_of
from outdial.conversation.understanding.meaning import Kind, Meaning, Option, Question
from outdial.conversation.understanding.other_wishes import is_back, is_listening
from outdial.conversation.understanding.understand import NOTHING, understand, understand_keys, wants_no_more_calls
from outdial.conversation.verb_results import Heard
from outdial.telephony.numbering import place_of
from outdial.telephony.time_zone import zone_of

_YES_OR_NO = (Option(words=["yes"]), Option(words=["no"]))
HOME = "US"  # where a number counts as dialled when its country isn't known


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """`answer` is the script's, of the question or of those that are understood anywhere."""

    heard: Heard
    meaning: Meaning
    answer: Answer | None = None
    away: bool = False  # it asked for a moment, and said nothing more
    back: bool = False  # it asked for a moment, and is there again without an answer

    @property
    def kind(self) -> Kind:
        return self.meaning.kind

    @property
    def is_doubtful(self) -> bool:
        """An answer that is asked for once more before it counts."""
        if self.heard.doubtful:
            return True
        return self.kind in (Kind.YES, Kind.NO, Kind.VALUE) and self.meaning.is_doubtful


class Replies:
    """Of one call. `text` fills a text's variables in."""

    def __init__(self, script: Script, call: LiveCall, text: Callable[[Text], str]) -> None:
        self.language = language_of(script.language)
        self._script = script
        self._text = text
        self._number = call.user_id
        self.country = place_of(call.user_id).country or HOME

    def words(self, name: str) -> str:
        """What Outdial says of its own accord, by its name in the language's file."""
        return self.language.texts[name]

    def reply(self, heard: Heard, ask: Ask | None) -> Reply:
        own = ask.answers if ask else ()
        answers = (*own, *self._script.anywhere)
        question = Question(
            text=self._text(ask.question) if ask else "",
            options=[self._option(answer, ask) for answer in answers],
            type=ask.type if ask else None,
            today=self._today(),
            country=self.country,
        )
        if heard.digits:
            meaning = understand_keys(heard.digits, question)
        else:
            meaning = understand(heard.text, question, self.language)
        return Reply(heard=heard, meaning=meaning, answer=None if meaning.option is None else answers[meaning.option])

    def question(self, ask: Ask) -> Question:
        """With its own answers only."""
        return Question(
            text=self._text(ask.question), options=[self._option(answer, ask) for answer in ask.answers], type=ask.type
        )

    def choices(self, ask: Ask) -> dict[str, tuple[Answer, list[str]]]:
        """Its answers that have words, or a name; by that, or by the first of their words as it is written. With what
        one may say for each."""
        found: dict[str, tuple[Answer, list[str]]] = {}
        for answer in ask.answers:
            title = answer.name or (answer.words[0].source if answer.words else None)
            if title is None or answer.any_words:
                continue
            more = sum(one == title or one.startswith(f"{title} (") for one in found)
            words = [phrase for text in answer.words if (phrase := self._phrase(text))]
            found[f"{title} ({more + 1})" if more else title] = answer, words
        return found

    def chosen(self, heard: Heard, answer: Answer, ask: Ask) -> Reply:
        """By who understands more than words."""
        place = ask.answers.index(answer)
        return Reply(heard=heard, meaning=Meaning(kind=Kind.OPTION, option=place, words=heard.text), answer=answer)

    def agreement(self, heard: Heard, ask: Ask) -> Reply:
        """To what was read back: a yes, a no, or another value."""
        question = Question(options=_YES_OR_NO, type=ask.type, today=self._today(), country=self.country)
        if heard.digits:
            return Reply(heard=heard, meaning=understand_keys(heard.digits, question))
        return Reply(heard=heard, meaning=understand(heard.text, question, self.language))

    def max_digits(self, ask: Ask | None) -> int:
        """How many keys are an answer."""
        if ask is None:
            return max((len(digits) for answer in self._script.anywhere for digits in answer.digits), default=0)
        return max(ask.max_digits, ask.type.max_keys(self.country) if ask.type else 0)

    def wants_no_more_calls(self, heard: Heard) -> bool:
        question = Question(do_not_call=[self._text(text) for text in self._script.do_not_call.words])
        return not heard.digits and wants_no_more_calls(heard.text, question, self.language)

    def away(self) -> Reply:
        return Reply(heard=Heard(silent=True), meaning=NOTHING, away=True)

    def back(self) -> Reply:
        return Reply(heard=Heard(), meaning=NOTHING, back=True)

    def is_back(self, heard: Heard) -> bool:
        """Nothing but "okay, I'm back" from who asked for a moment."""
        return not heard.digits and is_back(self.language.utterance(heard.text), self.language)

    def only_listens(self, heard: Heard) -> bool:
        """ "Okay" over a statement means "go on"."""
        return not heard.digits and is_listening(self.language.utterance(heard.text), self.language)

    def _today(self) -> date:
        return clock.now().astimezone(zone_of(self._number)).date()

    def _option(self, answer: Answer, ask: Ask | None) -> Option:
        return Option(
            words=[phrase for text in answer.words if (phrase := self._phrase(text))],
            digits=answer.digits,
            any_words=answer.any_words,
            any_digits=answer.any_digits,
            least_digits=ask.min_digits if ask else None,
            most_digits=ask.max_digits if ask else None,
        )

    def _phrase(self, text: Text) -> str:
        """An expected phrase; "" when a variable in it has no value: half a phrase would match too much."""
        if any(not self._text(Text((slot,))) for slot in text.slots):
            return ""
        return self._text(text)


def is_silent(heard: Heard) -> bool:
    return heard.silent or not (heard.digits or heard.text.strip())
