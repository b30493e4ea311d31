"""Audio that arrives in bursts, made even: frames come when the network likes and leave one every 20 ms. Pure."""

from collections import deque

from outdial.media.frames import SILENT_FRAME

START_FRAMES = 3   # 60 ms collected before the first one leaves: what a browser's main thread may be late
LIMIT_FRAMES = 10  # 200 ms; more is an echo's worth of delay, and a sender that is too fast
REVIEW_FRAMES = 50  # each second


class JitterBuffer:
    def __init__(self) -> None:
        self.dropped = 0    # frames, for too much delay
        self.underruns = 0  # gaps
        self._frames: deque[bytes] = deque()
        self._flowing = False
        self._least = LIMIT_FRAMES
        self._pulled = 0

    def push(self, frame: bytes) -> None:
        """When the buffer is full, its oldest frame is lost: in a conversation the newest is worth most."""
        if len(self._frames) == LIMIT_FRAMES:
            self._drop()
        self._frames.append(frame)

    def pull(self) -> bytes:
        """The next frame; silence when there is none, until enough have been collected again."""
        if not self._flowing:
            if len(self._frames) < START_FRAMES:
                return SILENT_FRAME
            self._flowing = True
        if not self._frames:
            self._flowing = False
            self.underruns += 1
            return SILENT_FRAME
        self._review()
        return self._frames.popleft()

    def _review(self) -> None:
        """A delay that a whole second didn't need goes away, a frame each second: after a burst, and where the sender's
        clock is faster than ours."""
        self._least = min(self._least, len(self._frames))
        self._pulled += 1
        if self._pulled == REVIEW_FRAMES:
            if self._least > START_FRAMES:
                self._drop()
            self._least, self._pulled = LIMIT_FRAMES, 0

    def _drop(self) -> None:
        self._frames.popleft()
        self.dropped += 1
