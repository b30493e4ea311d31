"""Whether OpenAI's Realtime API, or a compatible server's, takes a session with a key. Who talks in one is elsewhere
(agents/realtime)."""

import asyncio
import json
from urllib.parse import quote

from outdial.speech.vendor import Access, KeyMissing
from outdial.speech.wire.failures import Fault, VendorFailed, by_message
from outdial.speech.wire.socket import Endpoint, open_socket

MODEL = "gpt-realtime"
CREATED = "session.created"


class _Beginning:
    """Its first event."""

    def __init__(self) -> None:
        self.event: asyncio.Future[dict[str, object]] = asyncio.get_running_loop().create_future()

    def message(self, message: str | bytes) -> None:
        told = json.loads(message)
        if not isinstance(told, dict):
            raise ValueError("no event")
        if not self.event.done():
            self.event.set_result(told)

    def gone(self, failure: VendorFailed) -> None:
        if not self.event.done():
            self.event.set_exception(failure)


async def check_realtime(access: Access, model: str, within_s: float) -> None:
    """Opens a session and closes it; nothing is said, and nothing is billed. Raises VendorFailed."""
    try:
        key = await access.key()
    except KeyMissing as error:
        raise VendorFailed(Fault.UNAUTHORIZED, word="no_key") from error
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    beginning = _Beginning()
    endpoint = Endpoint(url=f"{access.socket_url}/realtime?model={quote(model, safe='')}", headers=headers)
    wire = await open_socket(endpoint, beginning)
    try:
        async with asyncio.timeout(within_s):
            told = await beginning.event
    except TimeoutError as error:
        raise VendorFailed(Fault.SLOW) from error
    finally:
        wire.close()
    if told.get("type") != CREATED:
        error_ = told.get("error")
        raise by_message(str(error_.get("code") or error_.get("type") or "") if isinstance(error_, dict) else "")
