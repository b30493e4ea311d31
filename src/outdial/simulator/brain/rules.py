"""What the practice's reminder says. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NUMBER = "+12025550142"  # of the front desk
AGAIN = "I see. So, will you be able to come?"
LONG = (
    "We are open from Monday to Friday, from nine to five. You find us at the river, next to the old mill. There is "
    "parking behind the house, and the bus stops at the door. Please bring your card, and come ten minutes early. "
    "So, will you be able to come?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """`outcome`: with it the conversation is over; `connects`: to the front desk; `plays`: the music, after that."""

    says: str
    outcome: str | None = None
    connects: bool = False
    plays: bool = False

    @property
    def pieces(self) -> tuple[str, ...]:
        """As a model writes them, in the middle of words too."""
        return tuple(self.says[at : at + 7] for at in range(0, len(self.says), 7))


def hello(variables: Mapping[str, Any]) -> Reply:
    name, when = variables.get("user_name") or "there", variables.get("appointment") or "Tuesday at ten thirty"
    return Reply(says=f"Hello {name}, this is the assistant of Riverside Dental. Will you be able to come on {when}?")


def reply(text: str) -> Reply:
    words = set(re.findall(r"[a-z']+", text.lower()))
    if words & {"person", "human", "somebody", "someone", "desk"}:
        return Reply(says="I'll connect you to our front desk.", connects=True)
    if words & {"no", "can't", "cannot", "not"}:
        return Reply(says="Thank you for telling us. We'll call you about another day. Goodbye!", outcome="declined")
    if words & {"yes", "yeah", "sure", "come", "fine"}:
        return Reply(says="Wonderful, we look forward to seeing you. Goodbye!", outcome="confirmed")
    if "music" in words:
        return Reply(says="Here is some music. Say yes when you know whether you will come.", plays=True)
    if words & {"where", "when", "open", "parking"}:
        return Reply(says=LONG)
    return Reply(says=AGAIN)


def keyed(digits: str) -> Reply:
    """1 is yes, 2 is no."""
    return reply({"1": "yes", "2": "no"}.get(digits, ""))
