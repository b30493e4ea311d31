"""How a connection to a relay agent's server begins: its URL with secrets filled in, its signature, its `setup`."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from outdial.agents.brains.reaching import BrainAway, Socket
from outdial.agents.relay import protocol
from outdial.agents.relay.definition import RelayAgent
from outdial.agents.relay.protocol import Session
from outdial.agents.tools.access import Tools
from outdial.conversation.live_call import LiveCall
from outdial.secrets.placeholders import fill, names_in
from outdial.secrets.store import SecretMissing
from outdial.telephony.state import CallDirection

MAX_PARAMETER = 4_000  # characters
TRANSFER = "transfer"  # the parameter that says how a transfer went that the call is back from


class Opening:
    """Of one call."""

    def __init__(self, agent: RelayAgent, call: LiveCall, tools: Tools, parameters: Mapping[str, str]) -> None:
        self._agent = agent
        self._call = call
        self._tools = tools
        self._parameters = parameters

    async def connect(self) -> Socket:
        """Raises BrainAway."""
        url, headers = self._agent.url, dict[str, str]()
        signing = self._agent.signing_secret
        names = {*names_in(url), *(() if signing is None else (signing,))}
        try:
            secrets = await self._tools.secrets(names, httpx.URL(url).host) if names else {}
        except SecretMissing:
            raise BrainAway("secret_missing", may_again=False) from None
        url = fill(url, {name: quote(value, safe="") for name, value in secrets.items()})
        if signing is not None:
            headers[protocol.SIGNATURE] = protocol.signature(secrets[signing], url)
        return await self._tools.brains.connect(url, headers)

    def setup(self, transfer: str) -> str:
        """`transfer`: how the last one went that came to nothing, "" where there was none."""
        launch = self._call.last_event.get("payload", {})
        return protocol.setup(
            Session(
                call_id=self._call.call_id,
                user_number=self._call.user_id,
                agent_number=str(launch.get("agentNumber", "")),
                is_outbound=launch.get("callType") != CallDirection.INBOUND,
                parameters={**self._parameters, **({TRANSFER: transfer} if transfer else {})},
            )
        )


def as_texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Parameters are texts: numbers and true as they are written, objects as JSON; what has no value is left out."""
    found = {}
    for name, value in values.items():
        if value in (None, "") and value is not False:
            continue
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        found[name] = text[:MAX_PARAMETER]
    return found
