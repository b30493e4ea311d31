"""What else a reply may be, besides an answer: a hello, a question, news of somebody else. Pure."""

from outdial.conversation.understanding.language import Language
from outdial.conversation.understanding.phrase_book import Found, covers_all
from outdial.conversation.understanding.reading import Reading, clause_starts, read_utterance
from outdial.conversation.understanding.utterance import Utterance

ENOUGH = 2  # words that say something: behind a mere "wait", more are what is to be heard

# Tags of what doesn't speak against a statement.
_GOES_ALONG = ("neutral", "undecided", "condition", "no_weak", "yes", "yes_firm", "yes_soft")


def is_greeting(said: Utterance, language: Language) -> bool:
    """Nothing but "hello?": the callee missed what was said, or asks whether anybody is there."""
    return "hello" in covers_all(said.words, language.greetings)


def is_listening(said: Utterance, language: Language) -> bool:
    """Nothing but "yes" or "okay": while a statement is being said it means "go on", not an answer."""
    return bool(covers_all(said.words, language.in_place["listening"]))


def wants_floor(said: Utterance, language: Language) -> bool:
    """Whether it is said to whoever is speaking, however short it is: "no", "wait", "sorry?", "who is this?"."""
    reading = read_utterance(said, language)
    return (
        any(span.tag not in _GOES_ALONG for span in reading.spans)
        or "repeat_alone" in reading.alone
        or asks_us(reading) is not None
        or is_greeting(said, language)
        or any(next(language.in_place[kind].find(said.words), None) for kind in ("wants_floor", "do_not_call"))
    )


def asks_to_wait(reading: Reading) -> list[Found]:
    """Where it does. Not who takes a word back, "five, no wait, six", and not who says "wait" to go on: "wait, I have a
    question about that"."""
    repair, said = reading.language.in_place["repair"], reading.said
    waits = [
        span
        for span in reading.of("wait")
        if not (repair.whole(said.words[span.start : span.end]) and span.start > 0 and span.end < len(said.words))
    ]
    core = reading.language.core
    if all(len(core(said.words[span.start : span.end])) <= 1 for span in waits):
        behind = [] if not waits else core(said.words[waits[-1].end :])
        return [] if len(behind) > ENOUGH else waits
    return waits


def is_back(said: Utterance, language: Language) -> bool:
    """No more than that who asked us to wait is there again: "okay, go ahead"."""
    return bool(covers_all(said.words, language.in_place["back"]))


def asks_us(reading: Reading) -> int | None:
    """Where a clause of the reply begins as a question does."""
    said, language = reading.said, reading.language
    idioms = [range(one.start, one.end) for one in language.in_place["not_question"].find(said.words)]
    idioms += [range(span.start, span.end) for span in reading.spans if span.tag in ("yes", "yes_firm", "neutral")]
    return next(
        (
            place
            for place in clause_starts(reading)
            if language.in_place["question"].longest_at(said.words, place) > place
            and not any(place in idiom for idiom in idioms)
        ),
        None,
    )


def asks_who(question: str, language: Language) -> bool:
    """Whether our question is about who is on the phone."""
    return next(language.in_place["asks_who"].find(language.utterance(question).words), None) is not None


def is_deceased(reading: Reading) -> bool:
    """Whoever was to be reached has died. "My father died, can I move it?" is somebody else's loss."""
    spans = [span for span in reading.of("deceased") if not reading.is_denied(span.start, span.end)]
    if not spans:
        return False
    said, inside = reading.said, {place for span in reading.spans for place in range(span.start, span.end)}
    rest = {word for place, word in enumerate(said.words) if place not in inside}
    language = reading.language
    return language.relations.isdisjoint(said.words) or language.own_need.isdisjoint(rest)
