"""Self-hosted outbound calling for AI voice agents.

Agents in Python are written with `from outdial import agent, Call`: docs/agents.md.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING

from outdial.version import USER_AGENT, __version__

if TYPE_CHECKING:
    from outdial.agents.python.call import Call, NotDeclared
    from outdial.agents.python.decorator import agent
    from outdial.conversation.live_call import LiveCall
    from outdial.conversation.verb_results import CallEnded, Heard, Said, TransferFailed
    from outdial.conversation.warm import Warm

# onnxruntime (from 1.29) sends usage figures to Microsoft and keeps an id of the machine in the user's folder. Set
# before it is imported, this stops both (microsoft/onnxruntime #27379): nothing here calls anybody whom the operator
# hasn't named.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# For those who write agents in Python. Looked up when they are used: the package is imported for its version, too.
_PUBLIC = {
    "agent": "outdial.agents.python.decorator",
    "Call": "outdial.agents.python.call",
    "NotDeclared": "outdial.agents.python.call",
    "CallEnded": "outdial.conversation.verb_results",
    "Heard": "outdial.conversation.verb_results",
    "LiveCall": "outdial.conversation.live_call",
    "Said": "outdial.conversation.verb_results",
    "TransferFailed": "outdial.conversation.verb_results",
    "Warm": "outdial.conversation.warm",
}

__all__ = [
    "USER_AGENT", "Call", "CallEnded", "Heard", "LiveCall", "NotDeclared", "Said", "TransferFailed", "Warm",
    "__version__", "agent",
]  # fmt: skip


def __getattr__(name: str) -> object:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
