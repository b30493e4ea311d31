"""What can be said to a closed question: phrases for a recogniser that listens for nothing else. Pure.

A question is closed when all its answers are known before: phrases, single numbers, a yes or a no.
"""

from collections.abc import Iterable, Iterator

from outdial.conversation.turn_words import Closed
from outdial.conversation.understanding.answer_type import AnswerType, TypeName
from outdial.conversation.understanding.language import Language
from outdial.conversation.understanding.meaning import KEYWORDS, Kind, Meaning, Option, Question
from outdial.conversation.understanding.utterance import read_words
from outdial.conversation.understanding.written_numbers import in_words

MAX_PHRASES = 80   # of all answers: more take too long to tell apart
MAX_NUMBERS = 21   # of a number that is asked for: 0 to 20, say
MAX_WORDS = 4      # that are nothing: more are a sentence, of which words would have been understood

_OPPOSITES = (Kind.YES, Kind.NO)
# What a short answer is taken for when it is misheard.
_MISHEARD = frozenset({Kind.UNCLEAR, Kind.YES, Kind.NO, Kind.GREETING, Kind.REPEAT, Kind.QUESTION})


def closed(question: Question, language: Language) -> Closed | None:
    """None where any words may be an answer, or so many that nobody can tell them apart."""
    if any(option.any_words or option.any_digits for option in question.options):
        return None
    answers = [tuple(dict.fromkeys(_phrases(option, language))) for option in question.options]
    if question.type is not None:
        values = _values(question.type, language)
        if values is None:
            return None
        answers += values
    answers += _missing_opposite(question, language)
    said = [phrases for phrases in answers if phrases]
    if len(said) < 2 or sum(map(len, said)) > MAX_PHRASES:
        return None
    return Closed(language=language.tag, answers=tuple(said), yes_or_no=_is_yes_or_no(question))


def _keywords(question: Question) -> set[str]:
    return {text.strip().casefold() for option in question.options for text in option.words} & KEYWORDS


def _is_yes_or_no(question: Question) -> bool:
    is_typed = question.type is not None and question.type.name is TypeName.YES_NO
    return is_typed or not _keywords(question).isdisjoint(_OPPOSITES)


def _missing_opposite(question: Question, language: Language) -> list[tuple[str, ...]]:
    """Who is asked for a yes alone may say no, which mustn't be taken for it."""
    given = _keywords(question) & {*_OPPOSITES}
    return [_short(kind, language) for kind in _OPPOSITES if given and kind not in given]


def _short(kind: str, language: Language) -> tuple[str, ...]:
    return tuple(language.short_answers.get(kind, (kind,)))


def may_be_misheard(text: str, meaning: Meaning, language: Language) -> bool:
    """Whether words that gave no answer may still have been one."""
    if meaning.option is not None or meaning.kind not in _MISHEARD:
        return False
    return len(language.utterance(text).words) <= MAX_WORDS


def _phrases(option: Option, language: Language) -> Iterator[str]:
    for text in option.words:
        word = text.strip().casefold()
        if word in KEYWORDS:
            yield from _short(word, language) if word in _OPPOSITES else ()
        else:
            yield from _as_said([text], language)
    yield from _as_said((digits for digits in option.digits if digits.isdigit() and len(digits) < 3), language)


def _values(asked: AnswerType, language: Language) -> list[tuple[str, ...]] | None:
    """Of each value there is; None where there are too many."""
    if asked.name is TypeName.YES_NO:
        return [_short(kind, language) for kind in _OPPOSITES]
    least, most = asked.least, asked.most
    if asked.name is not TypeName.NUMBER or least is None or most is None or not 0 <= most - least < MAX_NUMBERS:
        return None
    return [tuple(_as_said([str(value)], language)) for value in range(least, most + 1)]


def _as_said(texts: Iterable[str], language: Language) -> Iterator[str]:
    """Numbers in words; contractions stay, as they are one word to the ear."""
    for text in texts:
        said = in_words(read_words(text, str), language)
        if said.words:
            yield said.text(0, len(said.words))


