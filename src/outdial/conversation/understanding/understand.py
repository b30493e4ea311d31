"""What a reply means: text in, with what was asked; meaning out. Pure.

    understand("Okay, hold on.", Question(options=[Option(words=["yes"])]), language_of("en")).kind  # Kind.WAIT

Keys come before words. A wish for no more calls comes before everything; then the longest phrase that was said. Between
equals an author's own comes before a no, a no before a yes, and then the first one written. Only when nothing was
said exactly are near spellings looked for, since recognisers mishear phone audio.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

from outdial.conversation.understanding.answer_type import Around, TypeName, Value, value_in, value_of_keys
from outdial.conversation.understanding.digits import LONG_RUN, digit_runs, fitting, keys_said
from outdial.conversation.understanding.do_not_call import wishes_about_calls
from outdial.conversation.understanding.language import Language
from outdial.conversation.understanding.meaning import CLEAR, DOUBTFUL, SOMEBODY_ELSE, Kind, Meaning, Option, Question
from outdial.conversation.understanding.near_spelling import same_word
from outdial.conversation.understanding.options import Said, best_option
from outdial.conversation.understanding.other_wishes import asks_to_wait, asks_us, asks_who, is_deceased, is_greeting
from outdial.conversation.understanding.phrase_book import Found, Same
from outdial.conversation.understanding.reading import Reading, read_utterance
from outdial.conversation.understanding.recorded import is_recording
from outdial.conversation.understanding.utterance import Utterance
from outdial.conversation.understanding.written_numbers import in_words
from outdial.conversation.understanding.yes_no import YesNo, yes_or_no

NOTHING = Meaning(kind=Kind.UNCLEAR, margin=0.0)
MAX_NEAR = 20  # words: in a longer speech, something is alike in spelling to everything
SHORT = 5  # words that say something: "she passed away" is news, and more of it an answer to an open question

_FREE = SOMEBODY_ELSE | {Kind.UNCLEAR, Kind.QUESTION, Kind.YES, Kind.NO, Kind.GREETING}  # an open question takes them


def understand(text: str, question: Question, language: Language) -> Meaning:
    said = language.utterance(text)
    if not said.words:
        return NOTHING
    if wish := _no_more_calls(said, question, language):
        return Meaning(kind=Kind.DO_NOT_CALL, words=wish)
    if is_recording(said, language):
        own = best_option(in_words(said, language), language, question.options, same_word)
        option = None if own is None else own.option
        return Meaning(kind=Kind.RECORDING if own is None else Kind.OPTION, option=option, words=text.strip())
    meaning = _meaning(text, said, question, language, same_word)
    if meaning == NOTHING and len(said.words) <= MAX_NEAR:
        meaning = _meaning(text, said, question, language, language.near)
    if meaning.option is None and meaning.kind in _FREE:
        free = _first(question.options, lambda option: option.any_words)
        short = len(language.core(said.words)) <= SHORT
        if free is not None and not (short and meaning.kind in SOMEBODY_ELSE):
            return Meaning(kind=Kind.OPTION, option=free, words=text.strip())
    return meaning


def understand_keys(digits: str, question: Question) -> Meaning:
    """What keys mean that were pressed; "#" ends an entry, unless it is the answer itself."""
    for entry in dict.fromkeys((digits, digits.rstrip("#"))):
        for index, option in enumerate(question.options):
            if entry in option.digits:
                return Meaning(kind=Kind.OPTION, option=index, value=entry)
    return _any_digits(digits.rstrip("#"), question)


def _any_digits(digits: str, question: Question) -> Meaning:
    """As an answer of any digits, or of the type that is asked for."""
    for index, option in enumerate(question.options):
        if option.any_digits and (entry := fitting(digits, option.least_digits, option.most_digits)):
            return Meaning(kind=Kind.OPTION, option=index, value=entry)
    value = None if question.type is None else value_of_keys(digits, question.type, question.country)
    return NOTHING if value is None else Meaning(kind=Kind.VALUE, value=value)


def _meaning(text: str, said: Utterance, question: Question, language: Language, same: Same) -> Meaning:
    plain = in_words(said, language)
    about_calls = [range(wish.start, wish.end) for wish in wishes_about_calls(plain, language)]
    reading = read_utterance(plain, language, same, about_calls)
    own = best_option(plain, language, question.options, same)
    agreed = yes_or_no(reading, language.utterance(question.text).words)
    answer = _answer(agreed, question)
    if own is None and same is same_word and is_greeting(plain, language):
        return replace(answer or NOTHING, kind=Kind.GREETING)
    if own and not _waits_for(reading, own) and not _outweighed(own, agreed, answer):
        return Meaning(kind=Kind.OPTION, option=own.option, words=plain.text(own.start, own.end))
    if other := _somebody_else(reading, question, agreed):
        return other
    value = _value(text, said, question, language)
    waits = asks_to_wait(reading)
    if waits and not _answers_after_all(reading, agreed) and not _is_apart(reading, waits, value, question):
        return Meaning(kind=Kind.WAIT, words=reading.words(waits[0]))
    if value is not None:
        return Meaning(kind=Kind.VALUE, value=value, words=text.strip())
    if _wants_it_again(reading, agreed):
        return Meaning(kind=Kind.REPEAT, words=plain.text(0, len(plain.words)))
    question_at = asks_us(reading)
    if answer and _says_who(agreed, question_at, reading):
        return replace(answer, margin=CLEAR)
    if question_at is not None and not _denies_before(agreed, question_at):
        return Meaning(kind=Kind.QUESTION, words=plain.text(0, len(plain.words)))
    if answer:
        return answer
    if keys := keys_said(said, language):
        meaning = understand_keys(keys, question)
        if meaning.option is not None:
            return replace(meaning, words=text.strip())
    return NOTHING


def _value(text: str, said: Utterance, question: Question, language: Language) -> Value | None:
    if question.type is None:
        return None
    return value_in(text, said, question.type, Around(today=question.today, country=question.country), language)


def wants_no_more_calls(text: str, question: Question, language: Language) -> bool:
    return bool(_no_more_calls(language.utterance(text), question, language))


def _no_more_calls(said: Utterance, question: Question, language: Language) -> str:
    """The words that say so, "" for none."""
    return _words_for_no_more_calls(in_words(said, language), tuple(question.do_not_call), language)


@lru_cache(maxsize=1024)
def _words_for_no_more_calls(said: Utterance, more: tuple[str, ...], language: Language) -> str:
    for same in (same_word, language.near):
        for wish in wishes_about_calls(said, language, same):
            if wish.no_more:
                return said.text(wish.start, wish.end)
        if own := best_option(said, language, [Option(words=more)], same):
            return said.text(own.start, own.end)
    return ""


def _answer(agreed: YesNo | None, question: Question) -> Meaning | None:
    """A yes or a no as a meaning, with the option that stands for it; as a value where it is one."""
    if agreed is None:
        return None
    kind = Kind.YES if agreed.yes else Kind.NO
    meaning = Meaning(kind=kind, option=_stands_for(kind, question), margin=agreed.margin, words=agreed.words)
    is_value = question.type is not None and question.type.name is TypeName.YES_NO
    return replace(meaning, kind=Kind.VALUE, value=kind.value) if is_value else meaning


def _stands_for(kind: Kind, question: Question) -> int | None:
    return _first(question.options, lambda option: any(word.strip().casefold() == kind for word in option.words))


def _somebody_else(reading: Reading, question: Question, agreed: YesNo | None) -> Meaning | None:
    """Who was to be reached has died, was never here, or isn't now."""
    if is_deceased(reading):
        kind = Kind.DECEASED
    elif reading.has("wrong_number"):
        kind = Kind.WRONG_NUMBER
    elif reading.has("not_here") and not (agreed and agreed.yes):
        kind = Kind.NOT_HERE
    else:
        return None
    words = " ".join(reading.words(span) for span in reading.of(kind.value))
    option = _stands_for(kind, question)
    no = _stands_for(Kind.NO, question)
    if option is None and no is not None and kind is not Kind.DECEASED and asks_who(question.text, reading.language):
        return Meaning(kind=Kind.NO, option=no, words=words)
    return Meaning(kind=kind, option=option, words=words)


def _outweighed(own: Said, agreed: YesNo | None, answer: Meaning | None) -> bool:
    """Whether the yes or the no that is an answer, too, has the longer phrase; what follows a no says what instead."""
    if agreed is None or answer is None or answer.option is None:
        return False
    follows = not agreed.yes and own.start >= agreed.end
    return agreed.length > len(own) and not follows


def _waits_for(reading: Reading, own: Said) -> bool:
    """ "Let me check Friday" has not chosen Friday yet; "let me see, maybe Friday" has."""
    said, breaks = reading.said, reading.language.breaks
    return any(
        span.end <= own.start <= span.end + 2
        and said.clauses[span.end - 1] == said.clauses[own.start]
        and breaks.isdisjoint(said.words[span.end : own.start])
        for span in reading.of("wait")
    )


def _is_apart(reading: Reading, waits: Sequence[Found], value: Value | None, question: Question) -> bool:
    """Whether a value is said beside the wish to wait, and not in it: "one second" is no one."""
    inside = {place for span in waits for place in range(span.start, span.end)}
    rest = reading.said.without(inside)
    if question.type is not None:
        return value is not None and question.type.is_of_numbers and bool(digit_runs(rest, reading.language))
    keys = keys_said(rest, reading.language)
    return len(keys) >= LONG_RUN and understand_keys(keys, question).option is not None


def _answers_after_all(reading: Reading, agreed: YesNo | None) -> bool:
    """ "Hold on. No, I can't make it": what comes behind the wait answers. A mere "okay" doesn't."""
    if agreed is None:
        return False
    last = max(span.end for span in reading.of("wait"))
    said_more = agreed.length > 1 or not agreed.yes
    return agreed.start >= last and said_more and reading.said.clauses[agreed.start] != reading.said.clauses[last - 1]


def _wants_it_again(reading: Reading, agreed: YesNo | None) -> bool:
    if "repeat_alone" in reading.alone and agreed is None:
        return True
    if not reading.has("repeat"):
        return False
    return agreed is None or agreed.yes or agreed.length < 2


def _says_who(agreed: YesNo | None, question_at: int | None, reading: Reading) -> bool:
    """ "Speaking. Who's this?" has answered; "Yeah, who's calling?" has not."""
    if agreed is None or not agreed.yes or (question_at is not None and agreed.start >= question_at):
        return False
    return bool(reading.language.in_place["identity"].whole(tuple(agreed.words.split())))


def _denies_before(agreed: YesNo | None, question_at: int) -> bool:
    """ "No. Why?" has answered."""
    return agreed is not None and not agreed.yes and agreed.margin > DOUBTFUL and agreed.start < question_at


def _first(options: Sequence[Option], is_it: Callable[[Option], bool]) -> int | None:
    return next((index for index, option in enumerate(options) if is_it(option)), None)
