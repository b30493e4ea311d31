"""What a situation is, and the scripts that several of them use."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.talk.plans import Plan, Says
from bench.talk.playing import Played

VALUE = "value"  # what every script here notes its answer as


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """`found`: what did or didn't happen, counted as n of m; `took_ms`: times, of which percentiles are told."""

    found: Mapping[str, bool] = field(default_factory=dict)
    took_ms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """`plans` of the voices there are. `at_most` and `at_least`: of what is found, the share that it should come to."""

    name: str
    plans: Callable[[Sequence[str]], list[Plan]]
    judge: Callable[[Plan, Played], Judged]
    at_most: Mapping[str, float] = field(default_factory=dict)
    at_least: Mapping[str, float] = field(default_factory=dict)


def route(plan: Plan, played: Played) -> dict[str, bool]:
    """Whether the answer came to what was meant, to something else (before it was given, too), or to nothing."""
    value = noted(played)
    answered = bool(played.utterances) or not any(isinstance(step, Says) for step in plan.steps)
    return {
        "right": answered and value == plan.expected,
        "wrong": value is not None and not (answered and value == plan.expected),
        "none": value is None and plan.expected is not None,
    }


def noted(played: Played, name: str = VALUE) -> str | None:
    value = played.noted.get(name)
    return None if value is None else str(value).lower()


STATEMENT = """
steps:
  news:
    say: >-
      I am calling about the delivery of your new washing machine that was planned for this week and that our
      warehouse has now moved to another date because the truck that was meant to bring it is being repaired.
      The new date is the fourteenth of December.
    hang_up: Thank you. Goodbye.
"""

REMINDER = """
steps:
  reminder:
    - say: Hello, this is the assistant of Riverside Dental with a reminder about your appointment tomorrow morning.
    - ask: Does that time still work for you?
      save_as: value
      wait_s: 4
      answers:
        - {name: yes, words: [yes], digits: [1]}
        - {name: no, words: [no], digits: [2]}
      no_reply: {retries: 1, then: end}
      no_match: {retries: 1, then: end}
    - goto: end
  end:
    hang_up: Thank you. Goodbye.
"""


def question(text: str, answers: Sequence[str], *, wait_s: int = 4, retries: int = 0, further: str = "") -> str:
    """A script with one question; `answers` and `further` keys as they are written."""
    lines = ["steps:", "  question:", f"    ask: {text}", f"    save_as: {VALUE}", f"    wait_s: {wait_s}"]
    lines += [f"    {further}"] if further else []
    lines += ["    answers:", *(f"      - {answer}" for answer in answers)]
    lines += [f"    {when}: {{retries: {retries}, then: end}}" for when in ("no_reply", "no_match")]
    return "\n".join([*lines, "    goto: end", "  end:", "    hang_up: Thank you. Goodbye.", ""])


YES_NO = question("Is the morning good for you?", ["{name: yes, words: [yes]}", "{name: no, words: [no]}"])
DAY = question(
    "Would you like Thursday or Friday?", ["{name: thursday, words: [thursday]}", "{name: friday, words: [friday]}"]
)
RATING = question(
    "From one to ten, how satisfied are you?",
    [f"{{name: '{number}', digits: [{number}]}}" for number in range(1, 11)],
)
