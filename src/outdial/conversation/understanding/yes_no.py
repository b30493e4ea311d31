"""Is it a yes or a no, and how sure is that? Pure.

A no and a yes in one breath don't weigh the same: "no, that's perfect" agrees, "yeah, that doesn't work" doesn't, and
of "no, that's fine" nobody can tell. Where a telephone could have swallowed the "n't", a yes is doubtful, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from outdial.conversation.understanding.meaning import CLEAR, DOUBTFUL, FAIR
from outdial.conversation.understanding.phrase_book import Found
from outdial.conversation.understanding.reading import Reading

LONG = 10      # words that say something: in so long a speech a yes or no …
NEAR_END = 2   # … counts only at its start, or so near its end
SHORT = 1      # words that say something behind a "not" that is a no: "this is not Jane"

_YES = ("yes", "yes_firm", "yes_soft")
_NO = ("no", "no_weak")


@dataclass(frozen=True, slots=True, kw_only=True)
class YesNo:
    yes: bool
    margin: float
    length: int  # of the longest phrase it rests on, in words
    start: int
    end: int
    words: str


def yes_or_no(reading: Reading, question_words: Sequence[str] = ()) -> YesNo | None:
    """None when it is neither."""
    yes = [span for span in reading.of(*_YES) if not reading.is_denied(span.start, span.end) and _counts(reading, span)]
    no = [span for span in reading.of(*_NO) if _counts(reading, span) and not _is_of_a_thing(reading, span)]
    no += [span for span in reading.of("repeat") if _denies_the_question(reading, span, question_words)]
    nots = list(reading.nots)
    if yes:
        no = [one for one in no if not _says_nothing(reading, one.start, one.end)]
        nots = [place for place in nots if not _says_nothing(reading, place, place + 1)]
    if yes and (no or nots):
        return _both(reading, yes, no, nots)
    if yes:
        return _only_yes(reading, yes)
    if no:
        margin = CLEAR if any(span.tag == "no" for span in no) else DOUBTFUL
        return _result(reading, yes=False, margin=FAIR if reading.has("undecided") else margin, spans=no)
    return _only_not(reading, nots[0]) if nots else _alone(reading)


def _only_yes(reading: Reading, yes: list[Found]) -> YesNo | None:
    if undecided := reading.of("undecided"):
        if undecided[-1].start > yes[-1].start:
            return None  # "okay, I don't know"
        return _result(reading, yes=True, margin=DOUBTFUL, spans=yes)
    doubtful = reading.has("condition") or _asks_on(reading)
    return _result(reading, yes=True, margin=DOUBTFUL if doubtful else CLEAR, spans=yes)


def _only_not(reading: Reading, place: int) -> YesNo | None:
    """A "not" that no phrase has: "this is not Jane" is a no, "I don't drink coffee" may be."""
    words, language = reading.said.words, reading.language
    if reading.has("undecided", "repeat", "wait") or len(language.core(words)) > LONG:
        return None
    behind = len(language.core(words[place + 1 :]))
    margin = FAIR if behind <= SHORT and words[place] not in language.weak_nots else DOUBTFUL
    return YesNo(yes=False, margin=margin, length=1, start=place, end=place + 1, words=words[place])


def _both(reading: Reading, yes: list[Found], no: list[Found], nots: list[int]) -> YesNo:
    last_yes = yes[-1]
    last_no = max([span.start for span in no] + nots)
    after = [span for span in yes if span.start > last_no]
    if firm := [span for span in after if span.tag == "yes_firm"]:
        return _result(reading, yes=True, margin=FAIR, spans=firm)
    if not after:
        # "Yeah, that doesn't work" has said what; "yeah, no" has not.
        stated = any(len(span) > 1 and span.start == last_no for span in no)
        spans = no or [Found(last_no, last_no + 1, "no")]
        return _result(reading, yes=False, margin=FAIR if stated else DOUBTFUL, spans=spans)
    if reading.words(last_yes) in reading.language.plain_yes and len(no) == 1 and len(no[0]) == 1:
        return _result(reading, yes=True, margin=DOUBTFUL, spans=after)  # "no, yeah"
    soft = any(span.tag == "yes_soft" for span in after)
    spans = no or [Found(last_no, last_no + 1, "no")]
    return _result(reading, yes=False, margin=DOUBTFUL if soft or not no else FAIR, spans=spans)


def _alone(reading: Reading) -> YesNo | None:
    """"It is", "right": a yes when it is all that was said; "ne" a no."""
    tag = next((tag for tag in ("yes_weak", "yes_alone", "no_alone") if tag in reading.alone), None)
    if tag is None:
        return None
    words = reading.said.words
    margin = DOUBTFUL if tag == "yes_weak" else CLEAR
    return YesNo(yes=tag != "no_alone", margin=margin, length=1, start=0, end=len(words), words=" ".join(words))


def _counts(reading: Reading, span: Found) -> bool:
    """A lone yes or no in the middle of a long speech is a part of it, and no answer."""
    before, after = reading.core_place(span.start)
    if before + after <= LONG or len(span) > 2:
        return True
    return before == 0 or after <= NEAR_END


def _is_of_a_thing(reading: Reading, span: Found) -> bool:
    """ "No smoking", "there was no bus"."""
    said, language, end = reading.said, reading.language, span.end
    if len(span) > 1 or said.words[span.start] not in language.noes or not language.after_no:
        return False
    if end >= len(said.words) or said.clauses[end] != said.clauses[span.start]:
        return False
    return said.words[end] not in language.after_no | language.fillers | language.noes


def _in_condition(reading: Reading, place: int) -> bool:
    """ "Yes, but only if it doesn't cost anything" isn't denied."""
    clauses = reading.said.clauses
    return any(one.end <= place and clauses[one.start] == clauses[place] for one in reading.of("condition"))


def _says_nothing(reading: Reading, start: int, end: int) -> bool:
    """Of a "no" beside a yes."""
    return _in_condition(reading, start) or _asks_back(reading, start, end)


def _asks_back(reading: Reading, start: int, end: int) -> bool:
    """The "no" of "está bien, ¿no?" and "c'est ça, non ?": a question mark behind nothing else."""
    said = reading.said
    alone = start > 0 and said.begins_clause(start) and (end == len(said.words) or said.begins_clause(end))
    return alone and said.clauses[start] in said.asked


def _denies_the_question(reading: Reading, span: Found, question_words: Sequence[str]) -> bool:
    """ "I didn't get it" asks for the question again, unless that was "Did you get it?"."""
    words = reading.said.words[span.start : span.end]
    verbs = reading.language.hearing.intersection(words)
    return not reading.language.negations.isdisjoint(words) and not verbs.isdisjoint(question_words)


def _asks_on(reading: Reading) -> bool:
    """A question mark behind more than the yes itself: "Yes, tomorrow at nine?"."""
    said = reading.said
    inside = {place for span in reading.spans for place in range(span.start, span.end)}
    return any(
        clause in said.asked and place not in inside and word not in reading.language.fillers
        for place, (word, clause) in enumerate(zip(said.words, said.clauses, strict=True))
    )


def _result(reading: Reading, *, yes: bool, margin: float, spans: Sequence[Found]) -> YesNo:
    best = max(spans, key=len)
    return YesNo(yes=yes, margin=margin, length=len(best), start=best.start, end=best.end, words=reading.words(best))
