"""The way a conversation took through its script: which steps, and which answer led to each."""

from collections.abc import Callable
from dataclasses import dataclass

from outdial.agents.script.model import Answer, Step

ANY = "any"      # words, or digits
VALUE = "value"  # of the type that the question asks for


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A step that was begun, `at_ms` into the call. `led_by` is the answer that led there (its name, or the first of
    its words or digits; `any`, `value`) or the exit of a talk; `no_reply`, `no_match`, `limit` or `model_failed`; None
    where none was needed."""

    step: str
    line: int
    at_ms: int
    led_by: str | None


class Path:
    """Told by run_script. `circled`: the script went round in circles until it was stopped."""

    def __init__(self, now_ms: Callable[[], int] = lambda: 0) -> None:
        self.passed: list[Passed] = []
        self.circled = False
        self.led_by: str | None = None  # what leads to the next step
        self._now_ms = now_ms

    def enter(self, step: Step) -> None:
        self.passed.append(Passed(step=step.name, line=step.line, at_ms=self._now_ms(), led_by=self.led_by))
        self.led_by = None

    def answered(self, answer: Answer | None) -> None:
        """None: with a value of the type that was asked for."""
        if answer is None:
            self.led_by = VALUE
            return
        words = answer.words[0].source if answer.words else None
        digits = answer.digits[0] if answer.digits else None
        self.led_by = answer.name or words or digits or ANY
