"""Counts, their targets, and percentiles."""

from bench.talk.counting import Count, Tally
from bench.talk.plans import Plan, Says
from bench.talk.playing import Played
from bench.talk.situations.situation import Judged, Situation, route
from outdial.testing.audio_phone import Utterance


def plan(row="clean", expected="yes", steps=(Says(("Yes.",)),)):
    return Plan(kind="closed", row=row, script="", steps=steps, voice="nobody", expected=expected)


def played(agent="", *, noted=None, utterances=()):
    """`agent`: a letter for each 20 ms, x where its voice was heard."""
    return Played(
        noted=noted or {}, turns=(), agent=tuple(letter == "x" for letter in agent), utterances=tuple(utterances)
    )


YES = Utterance("Yes.", 100, 200)
SITUATION = Situation(
    name="closed", plans=lambda voices: [], judge=lambda plan, played: Judged(), at_most={"wrong": 0.01},
    at_least={"right": 0.8, "right, clean": 0.9},
)  # fmt: skip


def test_what_was_found_is_counted_row_by_row_beside_its_target():
    tally = Tally()
    for right in (True, True, True, False):
        tally.add(plan(), Judged(found={"right": right, "wrong": False}, took_ms={"reply": 500.0}))
        tally.add(plan("noisy"), Judged(found={"right": right}))
    clean, wrong, noisy = tally.counts({"closed": SITUATION})
    assert (clean.n, clean.of, clean.target, clean.holds) == (3, 4, "at least 90%", False)
    assert (wrong.n, wrong.target, wrong.holds) == (0, "at most 1%", True)
    assert (noisy.target, noisy.holds) == ("at least 80%", False)
    assert tally.all_ms("reply", ["closed"]) == [500.0] * 4


def test_none_may_be_what_is_wanted():
    count = Count(situation="echo", row="plain", found="interrupted", n=1, of=40, at_most=0)
    assert (count.target, count.holds) == ("none", False)


def test_an_answer_is_right_wrong_or_none():
    def taken(value, utterances=(YES,)):
        found = route(plan(), played(noted={} if value is None else {"value": value}, utterances=utterances))
        return [name for name, happened in found.items() if happened]

    assert taken("yes") == ["right"]
    assert taken("no") == ["wrong"]
    assert taken(None) == ["none"]
    assert taken("yes", utterances=()) == ["wrong"], "before the callee had said a word"


def test_a_reply_is_timed_from_the_last_voiced_frame_to_the_first():
    heard = played("xxxx" + "." * 20 + "x", utterances=[YES])
    assert heard.reply_ms(YES) == (24 - 10) * 20
    assert played("xxxx......", utterances=[YES]).reply_ms(YES) is None


def test_silence_after_an_interruption_is_no_pause_between_words():
    speech = "x" * 15 + "." * 5 + "x" * 5 + "." * 20 + "x" * 5
    assert played(speech).silenced_ms(YES) == (25 - 5) * 20
    assert played("x" * 60).silenced_ms(YES) is None
    assert played("." * 60).silenced_ms(YES) is None


def test_pauses_are_those_between_its_own_words():
    assert played("..xx...x......").longest_pause_ms() == 60
