"""A call heard by a vendor over one websocket: all of the callee's audio goes there as it comes, words come back.

It is connected before anybody speaks. Lost in the middle of a turn it is connected again, and sent what wasn't
recognised for good yet; what can't be had in time raises VendorFailed, for a fallback to take over.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from outdial.media.g711 import pcm_to_ulaw
from outdial.speech.base import TurnTold
from outdial.speech.recognition_fallback import RecognitionUse
from outdial.speech.stream.codec import Ready, RecognitionCodec, Settled, Told
from outdial.speech.stream.listener import Listener
from outdial.speech.stream.words import HeardWords, Piece, Turn
from outdial.speech.wire.connection import Connection
from outdial.speech.wire.failures import Fault, VendorFailed
from outdial.speech.wire.socket import Endpoint, Open, open_socket

logger = logging.getLogger(__name__)

WITHIN_S = 1.5        # for the words of an utterance, from a pause on, where another engine could be asked
ANSWER_S = 0.5        # for the vendor's answer that they are all, where there are some
BEFORE_MS = 250       # a voice is noticed later than its first word begins
TAIL_MS = 150         # of silence at the end: what was listened to until there is all of it
UNHEARD_MS = 500      # of audio that the vendor hasn't said anything about
KEPT_FRAMES = 750     # 15 s, to be sent again
BACKLOG_MS = 2000     # of it, where nobody is speaking
MOST_LOST, LOST_WITHIN_S = 3, 30.0
PAUSE_S = 1.0         # until it is tried again, where nobody else could be asked
CHECK_S, AFTER_OPEN_S = 5.0, 0.3


class StreamedCall:
    """See base.CallRecognition."""

    def __init__(
        self,
        name: str,
        codec: Callable[[], RecognitionCodec],
        endpoint: Callable[[], Coroutine[Any, Any, Endpoint]],
        open_wire: Open = open_socket,
    ) -> None:
        """`codec` makes one for each connection; `endpoint` is asked where to connect to, each time."""
        self.name = name
        self.changed: Callable[[], object] = lambda: None
        self.within_s = WITHIN_S
        self.gives_up = True
        self._again_at = 0.0
        self._used: list[Listener] = []  # every connection that was open
        self._codec = codec
        self._connection = Connection(open_wire, endpoint, self._listener)
        self._loop = asyncio.get_running_loop()
        self._connecting: asyncio.Task[None] | None = None
        self._made: Listener | None = None  # for the connection that is being opened, and …
        self._open: Listener | None = None  # … of the one that is open
        self._connections = 0
        self._lost_at: deque[float] = deque(maxlen=MOST_LOST)
        self._failure: VendorFailed | None = None
        self._words = HeardWords()
        self._turn: Turn | None = None
        self._newest_ms = 0
        self._kept: deque[tuple[int, bytes]] = deque(maxlen=KEPT_FRAMES)
        self._current: StreamedRecognition | None = None
        self._news = asyncio.Event()
        self._told_at = 0.0  # when there were new words last
        self._closed = False
        self._connect()

    # -- CallRecognition

    @property
    def is_over(self) -> bool:
        return self._failure is not None

    @property
    def tells_silence(self) -> bool:
        """See recognition_fallback.VendorCall: who isn't connected to has told nothing of anything."""
        return self._open is None or not self._open.codec.settles_ms

    def audio(self, pcm: bytes, at_ms: int) -> None:
        mulaw = pcm_to_ulaw(pcm)
        self._newest_ms = at_ms
        self._kept.append((at_ms, mulaw))
        if self._open is not None:
            self._open.audio(mulaw, at_ms)
        elif self._connecting is None and self._failure is None and self._loop.time() >= self._again_at:
            self._connect()

    def recognition(self, since_ms: int) -> "StreamedRecognition":
        before = self._current
        since: float = since_ms - BEFORE_MS
        if before is not None:
            before.until_ms = since = max(since, before.ended_ms())
        self._current = StreamedRecognition(self, since)
        return self._current

    def told(self, quiet_since_ms: int) -> TurnTold | None:
        if self._open is None or not self._open.codec.follows_turns:
            return None
        if self._turn is None or self._turn.at_ms < quiet_since_ms - TAIL_MS:
            return TurnTold.OPEN
        return self._turn.told

    def leave(self) -> None:
        self._closed = True
        self._connection.lose(self._last())

    async def aclose(self) -> None:
        self._closed = True
        self._fail(VendorFailed(Fault.LOST))
        if self._connecting is not None:
            self._connecting.cancel()
            with suppress(asyncio.CancelledError):
                await self._connecting
        await self._connection.aclose(self._last())

    def used(self) -> RecognitionUse:
        audio_ms, open_ms = (sum(one.sent_ms for one in self._used), sum(one.open_ms for one in self._used))
        return RecognitionUse(audio_ms=round(audio_ms), open_ms=round(open_ms))

    async def check(self) -> None:
        """Raises VendorFailed. What a vendor has against it, it may say a moment after it was connected."""
        until = self._loop.time() + CHECK_S
        while self._failure is None and self._open is None and self._loop.time() < until:
            await self._wait(until - self._loop.time())
        if self._failure is None and self._open is not None:
            await self._wait(AFTER_OPEN_S)
        if self._failure is not None:
            raise self._failure
        if self._open is None:
            raise VendorFailed(Fault.SLOW)

    # -- for recognitions

    def text(self, since_ms: float, until_ms: float) -> str:
        return self._words.text(since_ms, until_ms)

    def last_word_ms(self, since_ms: float, until_ms: float) -> float | None:
        return self._words.last_word_ms(since_ms, until_ms)

    async def settle(self, since_ms: float, until_ms: float) -> None:
        """Until what was said between two moments, and until now, is all there. Raises VendorFailed."""
        target_ms, began = self._newest_ms, self._loop.time()
        asked: Listener | None = None
        before = 0
        while True:
            if self._failure is not None:
                raise self._failure
            if self._open is not None and self._open is not asked:  # also of a connection that took its place
                asked, before = self._open, self._open.settled
                asked.ask()
            late_s = self._loop.time() - began
            has_words = bool(self._words.text(since_ms, until_ms))
            if asked is not None and self._is_settled(asked, before, target_ms, began, has_words=has_words):
                return
            if late_s >= self.within_s:
                if self._open is not None and self._words.covered_ms >= target_ms - UNHEARD_MS:
                    return
                raise VendorFailed(Fault.SLOW)
            await self._wait(self._look_again_s(asked, late_s, self.within_s - late_s, has_words=has_words))

    def _is_settled(
        self, asked: Listener, before: int, target_ms: int, began: float, *, has_words: bool
    ) -> bool:
        codec, words, now = asked.codec, self._words, self._loop.time()
        if asked.settled > before or words.settled_ms >= target_ms - TAIL_MS:
            return True
        has_words = has_words and words.covered_ms >= target_ms - UNHEARD_MS
        if codec.can_ask:
            return has_words and now - began >= ANSWER_S
        if self._turn is not None and self._turn.told is TurnTold.ENDED and self._turn.at_ms >= target_ms - UNHEARD_MS:
            return has_words
        if codec.settles_ms:
            return has_words and now - max(began, self._told_at) >= codec.settles_ms / 1000
        return words.covered_ms >= target_ms

    @staticmethod
    def _look_again_s(asked: Listener | None, late_s: float, left_s: float, *, has_words: bool) -> float:
        if asked is None or not has_words:
            return left_s
        if asked.codec.can_ask:
            return min(left_s, max(0.01, ANSWER_S - late_s))
        return min(left_s, asked.codec.settles_ms / 1000 or left_s)

    async def _wait(self, at_most_s: float) -> None:
        self._news.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.001, at_most_s)):
                await self._news.wait()

    # -- the connection

    def _last(self) -> str | None:
        """What the connection is closed with; it isn't paid for from now on."""
        opened, self._open = self._open, None
        if opened is None:
            return None
        opened.closed_at = self._loop.time()
        return opened.codec.last()

    def _connect(self) -> None:
        if not self._closed:
            self._connecting = asyncio.create_task(self._connected(), name="speech recognition")

    async def _connected(self) -> None:
        try:
            wire = await self._connection.wire()
        except VendorFailed as failure:
            self._is_away(failure)
            return
        except Exception:  # of the database, which has the key
            logger.exception("Speech vendor not reached")
            self._is_away(VendorFailed(Fault.UNREACHABLE))
            return
        finally:
            self._connecting = None
        if self._made is None or self._closed:  # lost in this moment (the next audio has it opened again), or left
            wire.close()
            return
        self._made.wire = wire
        if self._made.is_ready:
            self._begin(self._made)

    def _listener(self) -> Listener:
        self._connections += 1
        self._made = Listener(self._codec(), self._connections, self._told, self._gone)
        return self._made

    def _begin(self, listener: Listener) -> None:
        """Send what was said meanwhile, and wasn't recognised before for good."""
        self._open = listener
        self._used.append(listener)
        since_ms = self._newest_ms - BACKLOG_MS
        if self._current is not None and not math.isfinite(self._current.until_ms):
            since_ms = min(since_ms, math.floor(self._current.since_ms))
        since_ms = max(since_ms, math.floor(self._words.settled_ms))
        for at_ms, mulaw in self._kept:
            if at_ms > since_ms:
                listener.audio(mulaw, at_ms)
        self._wake()

    def _told(self, listener: Listener, told: Told) -> None:
        match told:
            case Ready():
                if listener.wire is not None:
                    self._begin(listener)
            case Piece():
                self._words.add(told)
                self._told_at = self._loop.time()
                self._wake()
            case Turn():
                self._turn = told
                self._wake()
            case Settled():
                self._wake()
            case VendorFailed():
                self._connection.lose()
                self._gone(listener, told)

    def _gone(self, listener: Listener, failure: VendorFailed) -> None:
        if listener is not self._open and listener is not self._made:
            return
        listener.closed_at = self._loop.time()
        self._open = self._made = None
        self._words.forget_guesses()
        if self._closed:
            return
        now = self._loop.time()
        is_often = len(self._lost_at) == MOST_LOST and now - self._lost_at[0] <= LOST_WITHIN_S
        self._lost_at.append(now)
        if is_often or not failure.fault.may_pass:
            self._is_away(failure)
        elif self._connecting is None and failure.fault is not Fault.IDLE:
            self._connect()  # after an idle one it is time when audio comes again
        self._wake()

    def _is_away(self, failure: VendorFailed) -> None:
        if self.gives_up or not failure.fault.may_pass:
            self._fail(failure)
        else:
            self._again_at = self._loop.time() + PAUSE_S

    def _fail(self, failure: VendorFailed) -> None:
        if self._failure is None:
            self._failure = failure
            if not self._closed:
                fields = {"engine": self.name, "fault": failure.fault, "word": failure.word, "status": failure.status}
                logger.warning("Speech recognition vendor failed", extra=fields | {"code": failure.code})
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        if not self._closed:
            self.changed()


class StreamedRecognition:
    """See base.Recognition. Its audio went to the vendor already."""

    def __init__(self, call: StreamedCall, since_ms: float) -> None:
        self.waited_ms = 0
        self.since_ms = since_ms
        self.until_ms = math.inf  # the next one begins there
        self._call = call
        self._fed = 0
        self._known: tuple[int, str] = (0, "")

    def feed(self, pcm: bytes) -> None:
        self._fed += len(pcm)

    async def text(self) -> str:
        """Raises VendorFailed."""
        fed, text = self._known
        if fed != self._fed:
            fed = self._fed
            await self._call.settle(self.since_ms, self.until_ms)
            text = self._call.text(self.since_ms, self.until_ms)
            self._known = (fed, text)
        return text

    async def partial(self) -> str | None:
        return self._call.text(self.since_ms, self.until_ms) or None

    def ended_ms(self) -> float:
        """When the last word ended that is known of it."""
        return self._call.last_word_ms(self.since_ms, self.until_ms) or self.since_ms
