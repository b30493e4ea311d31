"""One kind of writing, and how it is said."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

Say: TypeAlias = Callable[[re.Match[str]], str]


@dataclass(frozen=True, slots=True)
class Rule:
    """`pattern` is replaced by what `say` makes of it. `sign`: a rule is passed over in a text without any of these
    characters; "" for one that is always tried, "0" for one that needs a digit.

    What is said has neither digits nor signs left, so no rule finds anything in what another one has said: a text that
    was read once is read the same again.
    """

    pattern: re.Pattern[str]
    say: Say
    sign: str = "0"

    def read(self, text: str) -> str:
        return self.pattern.sub(self.say, text)


def rule(pattern: str, say: Say | str, *, sign: str = "0", flags: int = 0) -> Rule:
    """`say` may be a template of what was found, as `re.Match.expand` takes it."""
    if isinstance(say, str):
        words = say
        return Rule(re.compile(pattern, flags), lambda found: found.expand(words), sign)
    return Rule(re.compile(pattern, flags), say, sign)


def read_by(rules: Iterable[Rule], text: str) -> str:
    """`text` after every rule, in their order."""
    for each in rules:
        if each.sign == "0":
            if not any(character.isdecimal() for character in text):
                continue
        elif each.sign and not any(sign in text for sign in each.sign):
            continue
        text = each.read(text)
    return text
