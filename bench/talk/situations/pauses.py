"""People think in the middle of an answer. What they say after that belongs to the same question."""

from collections.abc import Sequence
from itertools import product

from bench.talk.plans import AfterTurn, Plan, Says
from bench.talk.playing import Played
from bench.talk.situations.situation import Judged, Situation, noted

PAUSES_MS = (0, 400, 600, 900, 1200)
THEN_NOTE = """    no_reply: {retries: 0, then: note}
    goto: note
  note:
    ask: And what would you like us to know?
    save_as: next
    wait_s: 4
    answers:
      - {words: any}
    no_reply: {retries: 0, then: end}
    goto: end
  end:
    hang_up: Thank you. Goodbye.
"""

DAY_THEN_NOTE = """
steps:
  day:
    ask: Which day would suit you for the visit?
    save_as: value
    wait_s: 5
    answers:
      - {name: thursday, words: [thursday]}
      - {name: friday, words: [friday]}
      - {name: other, words: any}
""" + THEN_NOTE

PHONE_THEN_NOTE = """
steps:
  phone:
    ask: What is your phone number, without the area code?
    save_as: value
    wait_s: 5
    max_digits: 7
    answers:
      - {digits: any}
      - {words: any}
""" + THEN_NOTE

ANSWERS = (
    (DAY_THEN_NOTE, ("On, um,", "Friday, please."), "friday"),
    (DAY_THEN_NOTE, ("I think that", "Thursday would be best."), "thursday"),
    (DAY_THEN_NOTE, ("Let me see, maybe", "on Friday."), "friday"),
    (PHONE_THEN_NOTE, ("My number is", "five five five, zero one two three."), "5550123"),
    (PHONE_THEN_NOTE, ("Five five five,", "zero one two three."), "5550123"),
)


def _plans(voices: Sequence[str]) -> list[Plan]:
    return [
        Plan(
            kind="pauses",
            row=f"{pause_ms / 1000:.1f} s",
            script=script,
            steps=(AfterTurn(), Says((first, pause_ms, second))),
            voice=voice,
            expected=expected,
        )
        for pause_ms, voice, (script, (first, second), expected) in product(PAUSES_MS, voices, ANSWERS)
    ]


def _judge(plan: Plan, played: Played) -> Judged:
    """The callee says nothing to the next question: whatever it got, leaked. Cut: the agent spoke within the answer, or
    before there was time to think of an end to it."""
    utterance = played.utterances[0] if played.utterances else None
    cut = utterance is None or played.spoken_ms(utterance.start_ms, utterance.end_ms) > 0
    reply_ms = None if utterance is None or cut else played.reply_ms(utterance)
    return Judged(
        found={
            "right": noted(played) == plan.expected,
            "cut off": cut,
            "leaked": noted(played, "next") is not None,
        },
        took_ms={} if reply_ms is None else {"reply": float(reply_ms)},
    )


PAUSES = Situation(name="pauses", plans=_plans, judge=_judge, at_most={"leaked": 0}, at_least={"right": 0.9})
