"""Numbers as people say and press them, and what is kept of them."""

from collections.abc import Sequence
from itertools import product

from bench.talk.plans import AfterTurn, Plan, Presses, Says, Step
from bench.talk.playing import Played
from bench.talk.situations.situation import RATING, Judged, Situation, noted, question, route

DIGITS = ["{digits: any}"]
PHONE = question("Please say your phone number, without the area code.", DIGITS, further="max_digits: 7")
ZIP = question("What is your zip code?", DIGITS, further="max_digits: 5")
SAID = (
    (PHONE, "Five five five, zero one two three.", "5550123"),
    (PHONE, "My number is five five five, zero one two three.", "5550123"),
    (ZIP, "Nine zero two one zero.", "90210"),
    (ZIP, "It's six three one zero one.", "63101"),
    (RATING, "I'd say eight.", "8"),
    (RATING, "Seven out of ten.", "7"),
)


def _plans(voices: Sequence[str]) -> list[Plan]:
    return [
        Plan(
            kind="numbers",
            row="said",
            script=script,
            steps=(AfterTurn(), Says((text,))),
            voice=voice,
            expected=expected,
        )
        for voice, (script, text, expected) in product(voices, SAID)
    ]


def _judge(plan: Plan, played: Played) -> Judged:
    return Judged(found=route(plan, played))


SPOKEN = Situation(name="numbers", plans=_plans, judge=_judge, at_least={"right": 0.9}, at_most={"wrong": 0.02})


TEN_DIGITS = """
steps:
  phone:
    ask: Please enter your ten digit phone number, then press pound.
    save_as: value
    wait_s: 5
    max_digits: 10
    answers:
      - {digits: any}
    no_reply: {retries: 0, then: zip}
    no_match: {retries: 1, then: zip}
    goto: zip
  zip:
    ask: And your zip code?
    save_as: next
    wait_s: 4
    max_digits: 5
    answers:
      - {digits: any}
    no_reply: {retries: 0, then: end}
    no_match: {retries: 0, then: end}
    goto: end
  end:
    hang_up: Thank you. Goodbye.
"""
PRESSED_KEYS = ("2025550177#", "12025550177#", "2025550177", "20255501771#")


def _pressed_plans(voices: Sequence[str]) -> list[Plan]:
    zip_code: tuple[Step, ...] = (AfterTurn(), Presses("90210#"))
    return [
        Plan(
            kind="pressed",
            row=keys,
            script=TEN_DIGITS,
            steps=(AfterTurn(), Presses(keys), *zip_code),
            voice=voices[0],
            expected="2025550177",
        )
        for keys in PRESSED_KEYS
    ]


def _judge_pressed(plan: Plan, played: Played) -> Judged:
    following = noted(played, "next")
    return Judged(found=route(plan, played) | {"leaked": following not in (None, "90210")})


PRESSED = Situation(name="pressed", plans=_pressed_plans, judge=_judge_pressed, at_most={"wrong": 0, "leaked": 0})
