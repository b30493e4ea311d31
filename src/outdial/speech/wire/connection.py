"""A vendor's websocket for as long as a call needs one: opened before it is needed, and again when it was lost."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from outdial.speech.vendor import KeyMissing
from outdial.speech.wire.failures import Fault, VendorFailed
from outdial.speech.wire.socket import Endpoint, Open, Receiver, Wire

AGAIN_AFTER_S = 0.1  # of a handshake that failed, for a moment maybe
MAX_AHEAD = 3        # times it is opened again although nobody used it in between


class Connection:
    """`wire` is for each piece of work: the websocket that is open, a new one where it was lost. Whoever makes one
    gets a Receiver of its own, so that nothing late of an old one is taken for new.

    `aclose` in the end; nothing is left then, also of what is still being opened.
    """

    def __init__(
        self,
        open_wire: Open,
        endpoint: Callable[[], Coroutine[Any, Any, Endpoint]],
        receiver: Callable[[], Receiver],
    ) -> None:
        """`endpoint` is asked each time: it reads the key as it is now, and may raise KeyMissing."""
        self._open_wire = open_wire
        self._endpoint = endpoint
        self._receiver = receiver
        self._wire: Wire | None = None
        self._opening: asyncio.Task[Wire] | None = None
        self._unused = 0       # opened since the last piece of work
        self._refusal: VendorFailed | None = None
        self._closed = False

    @property
    def is_open(self) -> bool:
        return self._wire is not None and self._wire.is_open

    def open_ahead(self) -> None:
        """Begin, unless it is open; who needs it sees whether that failed. Also for one that was lost while nobody
        needed it."""
        if self._closed or self.is_open or self._opening is not None or self._refusal is not None:
            return
        if self._unused < MAX_AHEAD:
            self._unused += 1
            self._begin()

    async def wire(self) -> Wire:
        """One that is open now. A handshake that fails is repeated once, where that may help. Raises VendorFailed; a
        refusal is for ever: the vendor isn't asked again."""
        self._unused = 0
        for last in (False, True):
            if self._closed:
                raise VendorFailed(Fault.LOST)
            if self._refusal is not None:
                raise self._refusal
            if self._wire is not None and self._wire.is_open:
                return self._wire
            opening = self._opening or self._begin()
            try:
                return await asyncio.shield(opening)
            except VendorFailed as failure:
                if last or not failure.fault.may_pass:
                    raise
            except asyncio.CancelledError:
                if not self._closed or not opening.cancelled():
                    raise
                raise VendorFailed(Fault.LOST) from None
            await asyncio.sleep(AGAIN_AFTER_S)
        raise AssertionError("unreachable")

    def lose(self, last: str | None = None) -> None:
        """Give up the websocket there is: it doesn't do what it should. The next `wire` is a new one."""
        if self._wire is not None:
            self._wire.close(last)
            self._wire = None

    async def aclose(self, last: str | None = None) -> None:
        """After a `last` message of the vendor's protocol, where it wants one."""
        self._closed = True
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        if self._wire is not None:
            self._wire.close(last)
            self._wire = None

    def _begin(self) -> asyncio.Task[Wire]:
        self._opening = asyncio.create_task(self._open(), name="speech vendor")
        self._opening.add_done_callback(self._opened)
        return self._opening

    async def _open(self) -> Wire:
        try:
            endpoint = await self._endpoint()
        except KeyMissing as error:
            raise VendorFailed(Fault.UNAUTHORIZED, word="no_key") from error
        return await self._open_wire(endpoint, self._receiver())

    def _opened(self, task: asyncio.Task[Wire]) -> None:
        self._opening = None
        if task.cancelled():
            return
        if (error := task.exception()) is None:
            self._wire = task.result()
            if self._closed:
                self._wire.close()
        elif isinstance(error, VendorFailed) and not error.fault.may_pass:
            self._refusal = error
