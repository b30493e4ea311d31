"""One call's callbacks on their way to the customer: in which order, how often, whether at all."""

import asyncio
from collections.abc import Awaitable, Callable

from outdial.simulator.faults import Fault, FaultKind
from outdial.simulator.network import Network
from outdial.simulator.waiting import first_of

IN_ORDER_PATIENCE_S = 1.0  # how long a slow answer holds up the call's next callback
REORDER_PATIENCE_S = 2.0   # how long a reordered callback waits for one to overtake it

Send = Callable[[], Awaitable[None]]


class CallbackQueue:
    """Callbacks go out in order while the customer answers them quickly; no carrier promises even that."""

    def __init__(self, network: Network, *, account: str, numbers: tuple[str, ...]) -> None:
        self._network = network
        self._account = account
        self._numbers = numbers
        self._last: asyncio.Task[None] | None = None
        self._overtaken: asyncio.Event | None = None  # a held-back callback waits for this

    def post(self, name: str, send: Send) -> asyncio.Task[None] | None:
        """Send the callback `name` (see faults.Fault.callbacks); returns at once, None when it gets lost."""
        if self._strikes(FaultKind.CALLBACK_LOST, name):
            return None
        late = self._strikes(FaultKind.CALLBACK_LATE, name)
        times = 2 if self._strikes(FaultKind.CALLBACK_REPEATED, name) else 1
        if self._overtaken is None and self._strikes(FaultKind.CALLBACK_REORDERED, name):
            self._overtaken = asyncio.Event()
            return self._network.start(self._send_overtaken(self._overtaken, send, times))
        if late is not None:
            return self._network.start(self._send_late(late.delay_s, send, times))
        self._last = self._network.start(self._send_in_order(self._last, send, times))
        return self._last

    def is_lost(self, name: str) -> bool:
        """Whether a request that isn't posted, because its answer matters, gets lost."""
        return self._strikes(FaultKind.CALLBACK_LOST, name) is not None

    async def settled(self) -> None:
        """Until the callbacks posted before are answered, or a little while."""
        if self._last is not None:
            await first_of(self._last, at_most_s=IN_ORDER_PATIENCE_S)

    def _strikes(self, kind: FaultKind, name: str) -> Fault | None:
        return self._network.faults.strike(
            kind, account=self._account, numbers=self._numbers, callback=name
        )

    async def _send_in_order(self, previous: asyncio.Task[None] | None, send: Send, times: int) -> None:
        if previous is not None:
            await first_of(previous, at_most_s=IN_ORDER_PATIENCE_S)
        await _repeat(send, times)
        if self._overtaken is not None:
            self._overtaken.set()
            self._overtaken = None

    async def _send_late(self, delay_s: float, send: Send, times: int) -> None:
        await asyncio.sleep(delay_s)
        await _repeat(send, times)

    async def _send_overtaken(self, overtaken: asyncio.Event, send: Send, times: int) -> None:
        if not await first_of(overtaken, at_most_s=REORDER_PATIENCE_S):
            self._overtaken = None
        await _repeat(send, times)


async def _repeat(send: Send, times: int) -> None:
    for _ in range(times):
        await send()
