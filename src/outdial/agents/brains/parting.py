"""What becomes of a call whose brain is done with it: its word for what came of it, and to whom the callee goes."""

import re
from collections.abc import Mapping
from typing import Any

from outdial.agents.brains.definition import BrainAgent
from outdial.agents.llm.free_talk import TransferTarget
from outdial.agents.tools.plain_json import clean, read_json
from outdial.telephony.outcome import MAX_WORD_CHARS, NAMED

HANDOFF = "handoff"  # under which what a server hands over is noted
MAX_HANDOFF = 4_000  # characters of it
KEYS = ("outcome", "reasonCode", "reason")  # of handed over JSON, in which servers have their word
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def handed_over(text: str) -> Any:
    """What a server hands over, as data where it is JSON; None for nothing."""
    text = text[:MAX_HANDOFF].strip()
    if not text:
        return None
    try:
        return read_json(text)
    except ValueError:
        return clean(text)


def words_of(handoff: Any) -> tuple[str, ...]:
    """The words in it that may be an outcome, or the name of a transfer: itself, or those under KEYS."""
    found = [handoff]
    if isinstance(handoff, Mapping):
        found = [handoff.get(key) for key in (*KEYS, "transfer")]
    words = (one.strip() for one in found if isinstance(one, str))
    return tuple(word for word in words if _WORD.fullmatch(word) and len(word) <= MAX_WORD_CHARS)


def noted_of(agent: BrainAgent, handoff: Any) -> dict[str, Any]:
    """What is written down of it."""
    if handoff is None:
        return {}
    word = outcome_of(agent, handoff)
    return {HANDOFF: handoff, **({} if word is None else {NAMED: word})}


def outcome_of(agent: BrainAgent, handoff: Any) -> str | None:
    """The first of its words that the agent declares; where it declares none, that is no transfer's name."""
    transfers = {target.name for target in agent.transfers}
    for word in words_of(handoff):
        if word in agent.outcomes or (not agent.outcomes and word not in transfers):
            return word
    return None


def transfer_of(agent: BrainAgent, handoff: Any) -> TransferTarget | None:
    """To whom the callee is connected, where one of its words is the name of a transfer."""
    words = words_of(handoff)
    return next((target for target in agent.transfers if target.name in words), None)
