"""What both sides of a call say, in step, for the people who listen in: one more listener of its media line.

It is there only while somebody listens, and gives the call nothing to wait for: who takes too little loses the oldest
of what waits for them, and nobody else notices.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from outdial.conversation.media_line import MediaLine
from outdial.media.frames import BYTES_PER_MS
from outdial.media.g711 import pcm_to_ulaw
from outdial.media.stream import StreamStarted

logger = logging.getLogger(__name__)

BLOCK_MS = 100       # sent at once
HELD_BACK_MS = 100   # for the callee's frames that come late; what is later still isn't heard by who listens in
KEPT_BLOCKS = 10     # for one who takes them too slowly, 1 s; then the oldest is dropped
STALLED_MS = 1500    # the event loop stood still for longer: what was said meanwhile is let go
CAN_BE_EARLY_MS = 2000  # of a frame, beyond what is heard already; nothing is kept of one that claims more


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What was heard of both sides in BLOCK_MS from `at_ms` on (call clock): µ-law, 8 bytes a millisecond."""

    at_ms: int
    callee: bytes
    agent: bytes


class Listener:
    """One person's ear at a tap. `may_hear`: asked for each block; one that it may not hear is lost to it."""

    def __init__(self, may_hear: Callable[[], bool] = lambda: True) -> None:
        self._may_hear = may_hear
        self.dropped = 0      # blocks that were not taken in time
        self.is_over = False  # nothing more comes: the call has ended
        self._blocks: deque[Block] = deque(maxlen=KEPT_BLOCKS)
        self._news = asyncio.Event()

    def give(self, block: Block) -> None:
        if not self._may_hear():
            return
        self.dropped += len(self._blocks) == KEPT_BLOCKS
        self._blocks.append(block)
        self._news.set()

    def end(self) -> None:
        self.is_over = True
        self._news.set()

    async def take(self, wait_s: float) -> list[Block]:
        """All that waits, the oldest first; nothing when nothing came in time, or nothing more comes."""
        if not self._blocks and not self.is_over:
            self._news.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._news.wait()
            except TimeoutError:
                return []
        blocks = list(self._blocks)
        self._blocks.clear()
        return blocks


class Tap:
    """Of one media line. It is a MediaListener, and none of its methods raises into the call."""

    def __init__(self, media_line: MediaLine, over: Callable[[], object]) -> None:
        """`over` is called once the media line has closed."""
        self.listeners: set[Listener] = set()
        self.is_closed = False
        self._media_line = media_line
        self._over = over
        self._loop = asyncio.get_running_loop()
        self._at_ms = _beginning(media_line.now_ms())
        self._callee = _Track(self._at_ms)
        self._timer: asyncio.TimerHandle | None = None
        media_line.follow(self)
        if media_line.closed:
            self.close()
        else:
            self._tick()

    def is_of(self, media_line: MediaLine) -> bool:
        return self._media_line is media_line

    def add(self, may_hear: Callable[[], bool] = lambda: True) -> Listener:
        listener = Listener(may_hear)
        self.listeners.add(listener)
        if self.is_closed:
            listener.end()
        return listener

    def remove(self, listener: Listener) -> None:
        """With the last listener it goes itself."""
        listener.end()
        self.listeners.discard(listener)
        if not self.listeners:
            self.close()

    def close(self) -> None:
        """From now on the media line knows nothing of it."""
        self.is_closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._media_line.unfollow(self)
        for listener in self.listeners:
            listener.end()

    # -- MediaListener ---------------------------------------------------------------------------------------

    def on_started(self, started: StreamStarted) -> None: ...

    def on_audio(self, pcm: bytes, at_ms: int) -> None:
        self._callee.put(pcm, at_ms - len(pcm) // BYTES_PER_MS)

    def on_digit(self, digit: str, at_ms: int) -> None: ...

    def on_closed(self, *, orderly: bool) -> None:
        self.close()
        self._over()

    # -- inside ----------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        try:
            self._give_due(self._media_line.now_ms())
        except Exception:  # who listens in goes without; the call goes on
            logger.exception("Listening in failed")
            self.close()
            self._over()
            return
        due_ms = self._at_ms + BLOCK_MS + HELD_BACK_MS - self._media_line.now_ms()
        self._timer = self._loop.call_later(max(due_ms, 1) / 1000, self._tick)

    def _give_due(self, now_ms: int) -> None:
        if now_ms - self._at_ms > STALLED_MS:
            self._at_ms = _beginning(now_ms)
            self._callee.forget_before(self._at_ms)
        while self._at_ms + BLOCK_MS + HELD_BACK_MS <= now_ms:
            until_ms = self._at_ms + BLOCK_MS
            agent = self._media_line.outgoing.samples(self._at_ms, until_ms).astype("<i2").tobytes()
            block = Block(
                at_ms=self._at_ms,
                callee=pcm_to_ulaw(self._callee.take(until_ms)),
                agent=pcm_to_ulaw(agent),
            )
            self._at_ms = until_ms
            for listener in self.listeners:
                listener.give(block)


class _Track:
    """The callee's audio from `at_ms` on, each frame in its place; silence in between."""

    def __init__(self, at_ms: int) -> None:
        self._at_ms = at_ms
        self._pcm = bytearray()

    def put(self, pcm: bytes, at_ms: int) -> None:
        """Of what is too old already, only what isn't is kept."""
        start = (at_ms - self._at_ms) * BYTES_PER_MS
        if start < 0:
            pcm, start = pcm[-start:], 0
        if not pcm or start > CAN_BE_EARLY_MS * BYTES_PER_MS:
            return
        if start > len(self._pcm):
            self._pcm.extend(bytes(start - len(self._pcm)))
        self._pcm[start : start + len(pcm)] = pcm

    def take(self, until_ms: int) -> bytes:
        wanted = (until_ms - self._at_ms) * BYTES_PER_MS
        taken = bytes(self._pcm[:wanted]).ljust(wanted, b"\0")
        del self._pcm[:wanted]
        self._at_ms = until_ms
        return taken

    def forget_before(self, at_ms: int) -> None:
        if at_ms > self._at_ms:
            self.take(at_ms)


def _beginning(now_ms: int) -> int:
    """Where the next block begins: all of it is heard from now on."""
    return -(-now_ms // BLOCK_MS) * BLOCK_MS
