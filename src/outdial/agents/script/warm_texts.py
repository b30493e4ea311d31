"""How an author wants somebody asked before a callee is put through to them: texts with their variables."""

from collections.abc import Callable
from dataclasses import dataclass

from outdial.agents.script.template import Text
from outdial.conversation.warm import MAX_BRIEF_CHARS, IfNotPossible, Warm


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmTexts:
    """`brief` None: a model words it. The others are those of conversation.warm.Warm."""

    line: int
    brief: Text | None = None
    hold: Text | None = None
    wait_s: float = 15.0
    if_not_possible: IfNotPossible = IfNotPossible.STAY

    def filled(self, to_say: Callable[[Text], str], worded: str = "") -> Warm:
        """With what a call knows; `worded`: by the model, where the author has written none."""
        brief = worded if self.brief is None else to_say(self.brief)
        return Warm(
            brief=brief[:MAX_BRIEF_CHARS],
            hold=None if self.hold is None else to_say(self.hold),
            wait_s=self.wait_s,
            if_not_possible=self.if_not_possible,
        )
