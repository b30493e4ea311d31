"""What spoke for whom, as marks on a recording. The words of evidence: test_timeline.py."""

from outdial.dashboard.answer_marks import answer_marks


def verdict(by, category, at_ms, *evidence):
    """`evidence`: words, or words and when they were heard."""
    told = [(one, None) if isinstance(one, str) else one for one in evidence]
    return {
        "by": by, "category": category, "at_ms": at_ms, "after_answer_ms": None, "confidence": None, "at": "",
        "evidence": [{"text": text, "heard_at_ms": heard} for text, heard in told],
    }  # fmt: skip


def shown(*verdicts, carrier="twilio"):
    marks = answer_marks(verdicts, carrier)
    assert [mark.number for mark in marks] == list(range(1, len(marks) + 1))
    return [(mark.kind, mark.at_ms, mark.text, mark.detail) for mark in marks]


def test_all_is_in_the_order_in_which_it_was_heard():
    beep, words = "beep at 6.2 s, 1000 Hz", "said 'leave a message'"
    assert shown(
        verdict("carrier", "human", 3150, "twilio:human"),
        verdict("local", "machine", 4900, (words, 4350), "somebody talks in the background"),
        verdict("local", "machine", 6450, (words, 4350), (beep, 6200)),
    ) == [
        ("verdict", 3150, "Twilio: human", "Twilio heard a person."),
        ("heard", 4350, "Said 'leave a message'.", ""),
        ("verdict", 4900, "Outdial: machine", "Somebody talks in the background."),
        ("heard", 6200, "Beep at 6.2 s, 1000 Hz.", ""),
    ]


def test_who_changes_their_mind_is_marked_again_and_who_repeats_themselves_is_not():
    marks = shown(
        verdict("local", "human", 900, ("said hello", 400)),
        verdict("local", "human", 1500, ("said hello", 400)),
        verdict("local", "silence", 6000),
        verdict("local", "machine", 8000, "said 'leave a message'"),
    )
    assert [(at_ms, text) for _, at_ms, text, _ in marks] == [
        (400, "Said hello."), (900, "Outdial: human"), (8000, "Outdial: machine"),
    ]  # fmt: skip


def test_what_a_carrier_says_later_has_the_instant_at_which_it_did():
    marks = shown(
        verdict("carrier", "machine", 2715, "vonage:machine"),
        verdict("carrier", "machine", 8156, "vonage:machine", "vonage:beep_start"),
        carrier="vonage",
    )
    assert [(at_ms, text) for _, at_ms, text, _ in marks] == [
        (2715, "Vonage: machine"), (8156, "Vonage heard a machine's beep."),
    ]  # fmt: skip


def test_what_has_no_instant_comes_last():
    marks = shown(
        verdict("carrier", "machine", None, "telnyx:machine"),
        verdict(None, "unknown", 30_000, "deadline"),
        carrier=None,
    )
    assert [(at_ms, text) for _, at_ms, text, _ in marks] == [
        (30_000, "Outdial: unknown"), (None, "The carrier: machine"),
    ]  # fmt: skip
