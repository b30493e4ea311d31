"""One utterance of ours on its way to the callee: what is still to be sent, and what can be taken back."""

import asyncio
from collections import deque
from collections.abc import Callable
from itertools import islice

from outdial.media.frames import FRAME_BYTES, FRAME_MS
from outdial.media.g711 import rms

KEPT_FRAMES = 40   # of what was sent: what the carrier still holds is said again after a hold, from …
BACK_FRAMES = 15   # … the quietest of so many frames before it: between two words
SILENT = 1 / 30    # of the loudest frame before and behind a hold: there is no voice in it


class Playback:
    """One utterance on its way to the callee. Fed by speech synthesis, drained by the media line."""

    __slots__ = (
        "_pump", "_rest", "begun", "complete", "done", "end_ms", "fed", "finished", "frames", "heard_ms", "held",
        "mark", "recent", "sent", "start_ms",
    )  # fmt: skip

    def __init__(self, mark: str, pump: Callable[[], None]) -> None:
        self._pump = pump                  # to be called when there is something to send
        self._rest = b""
        self.frames: deque[bytes] = deque()
        self.recent: deque[bytes] = deque(maxlen=KEPT_FRAMES)  # the newest that were sent
        self.finished = False              # no more audio will be fed
        self.held = False                  # silent for the moment, and …
        self.heard_ms = 0                  # … so much of it was heard before
        self.fed = 0                       # frames fed, and …
        self.sent = 0                      # … sent
        self.start_ms: int | None = None   # when the callee began to hear it, and …
        self.end_ms: int | None = None     # … ceased to
        self.mark = mark
        self.complete = False              # the carrier's mark came back after the last frame
        loop = asyncio.get_running_loop()
        self.begun: asyncio.Future[None] = loop.create_future()  # the first frame has left
        self.done: asyncio.Future[int] = loop.create_future()    # ms played

    def feed(self, pcm: bytes) -> None:
        """More audio, any length; the first frames leave at once."""
        data = self._rest + pcm
        whole = len(data) - len(data) % FRAME_BYTES
        self.frames.extend(data[i : i + FRAME_BYTES] for i in range(0, whole, FRAME_BYTES))
        self.fed += whole // FRAME_BYTES
        self._rest = data[whole:]
        self._pump()

    def finish(self) -> None:
        """All audio was fed; `done` follows when it has been played."""
        if self._rest:
            self.frames.append(self._rest + bytes(FRAME_BYTES - len(self._rest)))
            self._rest = b""
            self.fed += 1
        self.finished = True
        self._pump()

    def take_back(self, heard_ms: int) -> None:
        """Have what was sent and not heard sent again, from between two words right before on; until then, that much
        was heard."""
        self.heard_ms = heard_ms
        unheard = max(0, self.sent - heard_ms // FRAME_MS)
        again = unheard + _quietest(list(self.recent), unheard)
        for _ in range(min(len(self.recent), again)):
            self.frames.appendleft(self.recent.pop())
            self.sent -= 1

    def skip_pause(self) -> None:
        """After a hold: the callee has heard silence, and needs no pause behind it."""
        near = [*self.recent, *islice(self.frames, KEPT_FRAMES)]
        voice = SILENT * max(map(rms, near), default=0.0)
        while len(self.frames) > 1 and rms(self.frames[0]) < voice > rms(self.frames[1]):
            self.recent.append(self.frames.popleft())
            self.sent += 1


def _quietest(recent: list[bytes], unheard: int) -> int:
    """How many frames before the unheard ones the quietest is, among the last few: a word begins there."""
    heard = recent[: len(recent) - unheard][-BACK_FRAMES:]
    return min(range(len(heard)), key=lambda back: (rms(heard[-1 - back]), back), default=0)
