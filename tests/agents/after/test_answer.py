"""A model's report, read: what stands, what is left out, and what nobody gets a model to say."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.agents.after.answer import FoundFact, Report, read_report
from outdial.agents.after.definition import After
from outdial.agents.after.request import Turn
from outdial.agents.llm.free_talk import Fact
from outdial.agents.tools.asks import NotPossible

AFTER = After(
    models=(),
    language="en-US",
    summary="",
    facts=(
        Fact(name="guests", about="How many", type="integer"),
        Fact(name="seat", about="", choices=("inside", "outside")),
        Fact(name="vip", about="", type="boolean"),
    ),
    outcomes={"confirmed": "They come", "declined": ""},
)
TURNS = [
    Turn(10, "agent", "Will you come, and with how many?"),
    Turn(25, "callee", "Yes. We'll be four, and we sit outside."),
    Turn(40, "agent", "Four of you, outside. See you then."),
]


def quote(turn=25, words="We'll be four"):
    return {"turn": turn, "words": words}


def fact(value, *evidence):
    return {"value": value, "evidence": list(evidence)}


def report(**parts):
    return json.dumps({"summary": "They come."} | parts)


def read(written):
    return read_report(written, AFTER, TURNS)


def test_a_sound_report_is_taken_whole():
    written = report(
        facts={
            "guests": fact(4, quote(), quote(40, "Four of you")),
            "seat": fact("outside", quote(words="sit OUTSIDE")),
        },
        outcome={"word": "confirmed", "evidence": [quote(words="Yes.")]},
    )
    assert read(written) == Report(
        summary="They come.",
        facts=(
            FoundFact(name="guests", value=4, evidence=(25, 40)),
            FoundFact(name="seat", value="outside", evidence=(25,)),
        ),
        outcome="confirmed",
        outcome_evidence=(25,),
    )


@pytest.mark.parametrize(
    "evidence",
    [
        [],
        None,
        "25",
        [quote(26)],                                # no such turn
        [quote(True)],
        [quote(10, "We'll be four")],               # said elsewhere
        [quote(words="five")],                      # said by nobody
        [quote(words="our")],                       # a piece of a word: "four"
        [quote(words="")],
        [quote(words=" ... ")],
        [quote(40, "Four of you")],                 # the agent's own words alone prove nothing of the callee
        [{"turn": 25}],
        [{"words": "We'll be four"}],
        [None, 7, [25]],
    ],
)
def test_a_fact_without_words_of_the_callee_goes_and_is_named(evidence):
    read_now = read(report(facts={"guests": {"value": 4, "evidence": evidence}}))
    assert (read_now.facts, read_now.unproved) == ((), ("guests",))


def test_evidence_that_isnt_there_goes_and_the_other_stays():
    read_now = read(report(facts={"guests": fact(4, quote(99), quote("25"), quote(words="five"))}))
    assert read_now.facts == (FoundFact(name="guests", value=4, evidence=(25,)),)


def test_an_outcome_that_nothing_bears_out_is_none():
    read_now = read(report(outcome={"word": "confirmed", "evidence": [quote(words="sure")]}))
    assert (read_now.outcome, read_now.unproved) == (None, ("outcome",))


@pytest.mark.parametrize(
    "written",
    [
        "The callee comes.",
        "",
        "{",
        "[1, 2]",
        "{" * 5000,
        json.dumps({}),
        json.dumps({"summary": 7}),
        json.dumps({"summary": " \0 "}),
        report(facts=[]),
        report(facts={"guests": 4}),
        report(facts={"guests": fact("four", quote())}),
        report(facts={"guests": fact(10**30, quote())}),
        report(facts={"guests": fact(True, quote())}),
        report(facts={"seat": fact("on the roof", quote())}),
        '{"summary": "x", "facts": {"guests": {"value": NaN, "evidence": []}}}',
        report(outcome="confirmed"),
        report(outcome={"word": "do_not_call", "evidence": [quote()]}),
        report(outcome={"word": "hung_up_early", "evidence": [quote()]}),
        report(outcome={"word": ["confirmed"], "evidence": [quote()]}),
    ],
)
def test_what_has_another_form_is_said_to_the_model(written):
    with pytest.raises(NotPossible):
        read(written)


def test_facts_that_nobody_declared_are_not_taken():
    assert read(report(facts={"password": fact("x", quote()), "guests": None, "vip": fact(None)})).facts == ()


def test_a_report_in_a_text_is_found():
    assert read(f"Here it is:\n```json\n{report()}\n```").summary == "They come."


def test_texts_are_made_fit_to_be_stored():
    assert read(json.dumps({"summary": "They \0come\ud800.\nYes"})).summary == "They come\ufffd. Yes"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9), lambda inner: (
    st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["summary", "facts", "outcome", "word", "value", "evidence", "turn", "words", "guests", "seat"]), inner)
), max_leaves=30))  # fmt: skip
def test_whatever_a_model_writes_only_what_was_declared_and_said_stands(told):
    try:
        found = read(json.dumps(told))
    except NotPossible:
        return
    assert found.outcome in (None, *AFTER.outcomes)
    assert {one.name for one in found.facts} <= {"guests", "seat", "vip"}
    assert all(set(one.evidence) <= {10, 25, 40} and 25 in one.evidence for one in found.facts)
