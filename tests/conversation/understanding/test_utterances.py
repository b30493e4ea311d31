"""What people say, by what it means: every row of said_<tag>.tsv, and most of those that no rule was written for."""

import pytest

from conversation.understanding.asked import meaning_of
from conversation.understanding.tables import rows
from outdial.conversation.understanding.meaning import Kind, Meaning

TAGS = ("en", "de", "es", "fr")
LEAST_UNSEEN = 0.9  # of the utterances that the rules were not written with

ENDINGS = {Kind.DO_NOT_CALL, Kind.DECEASED, Kind.WRONG_NUMBER, Kind.NOT_HERE}


def routed(meaning: Meaning) -> bool:
    """Whether a yes or a no is acted on as it stands."""
    return meaning.kind in (Kind.YES, Kind.NO) and not meaning.is_doubtful


def is_right(meaning: Meaning, expected: str) -> bool:
    match expected:
        case "yes" | "no":
            return meaning.kind == expected and not meaning.is_doubtful
        case "doubt":  # asked once more, in whatever words
            return meaning.is_doubtful or meaning.kind in (Kind.UNCLEAR, Kind.QUESTION)
        case "neither":
            return not routed(meaning) and meaning.kind not in ENDINGS
    return meaning.kind == expected


@pytest.mark.parametrize(("tag", "expected", "said"), [(tag, *row) for tag in TAGS for row in rows(f"said_{tag}.tsv")])
def test_what_people_say_is_understood(tag, expected, said):
    meaning = meaning_of(said, tag=tag)
    assert is_right(meaning, expected), meaning


@pytest.mark.parametrize("tag", TAGS)
def test_so_is_most_of_what_no_rule_was_written_for(tag):
    unseen = rows(f"said_{tag}_unseen.tsv")
    right = sum(is_right(meaning_of(said, tag=tag), expected) for expected, said in unseen)
    assert right / len(unseen) >= LEAST_UNSEEN, f"{right} of {len(unseen)}"


@pytest.mark.parametrize("name", ["said_en.tsv", "said_en_unseen.tsv"])
def test_recognisers_that_write_no_punctuation_change_little(name):
    said = rows(name)
    right = sum(is_right(meaning_of(text), expected) for expected, text in said)
    unmarked = str.maketrans("", "", ".,?!")
    plain = sum(is_right(meaning_of(text.lower().translate(unmarked)), expected) for expected, text in said)
    assert plain >= right - 0.02 * len(said), f"{plain} of {len(said)}, {right} with punctuation"


def test_hardly_anybody_is_taken_for_the_opposite():
    wrong = [
        said
        for name in ("said_en.tsv", "said_en_unseen.tsv")
        for expected, said in rows(name)
        if {expected, str(meaning_of(said).kind)} == {"yes", "no"} and routed(meaning_of(said))
    ]
    assert len(wrong) <= 1, wrong
