"""Values of variables: where they come from, whether there is one, and when two are the same."""

from collections import ChainMap
from collections.abc import Mapping, MutableMapping
from typing import Any, cast

from outdial.agents.script.model import If
from outdial.agents.script.template import lookup, spoken
from outdial.agents.script.unmeant import Meant, is_unmeant
from outdial.conversation.live_call import LiveCall


def known(call: LiveCall) -> Mapping[str, Any]:
    """What a text may name: what every call has (actions.BUILT_IN), what was noted, what was sent; the first of these
    that has the name."""
    launch = call.last_event.get("payload", {})
    built_in = {
        "user_number": call.user_id,
        "agent_number": launch.get("agentNumber"),
        "answered_by": call.answered_by and str(call.answered_by),
    }
    return ChainMap(built_in, call.noted, cast(MutableMapping[str, Any], Meant(call.variables)))  # which is only read


def exists(value: Any) -> bool:
    return bool(value) if isinstance(value, dict) else spoken(value) != ""


def is_one_of(value: Any, test: If, call: LiveCall) -> bool:
    """Whether `value`, that of the test's variable, is one of those it looks for."""
    found = [value]
    sent = lookup(test.variable, ChainMap(dict(call.noted), dict(call.variables)))
    if isinstance(sent, str) and is_unmeant(sent):
        found.append(sent)  # an author who asks for "None" by name means it, whatever the sender did
    return any(equal(each, expected) for expected in test.values for each in found)


def equal(value: Any, expected: Any) -> bool:
    """As an author means it: "Premium" is premium, 3 is "3", true is "true"."""
    return _plain(value) == _plain(expected)


def _plain(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return " ".join(value.split()).casefold()
    return spoken(value)
