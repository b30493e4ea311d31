"""One call's audio, both ways: between a media websocket's codec and the conversation.

Outgoing audio is sent at real time plus the codec's lead, so there is little to throw away when the callee barges in.
What was really played is known by the carrier's marks; between marks the media line reckons with a play-out position.
All times are milliseconds on the call clock (since the media stream began).
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from outdial.conversation.playback import Playback
from outdial.media.audio_clock import AudioClock
from outdial.media.frames import BYTES_PER_MS, FRAME_MS
from outdial.media.outgoing import Outgoing
from outdial.media.pacer import Pacer
from outdial.media.recording import Recording
from outdial.media.stream import (
    AudioReceived,
    BadFrame,
    DigitPressed,
    MarkReached,
    StreamCodec,
    StreamEnded,
    StreamStarted,
)

logger = logging.getLogger(__name__)

MARK_GRACE_MS = 3000    # a mark that is this late will not come
FLUSH_EVERY_MS = 1000
MAX_BAD_FRAMES = 5      # in a row: who sends nothing else is no carrier
MAX_REFUSALS_LOGGED = 10  # in a call


class MediaSocket(Protocol):
    """The websocket under a media line. The one interface a websocket server has to offer."""

    def send(self, message: str | bytes) -> None:
        """Send now, without waiting; a peer that stopped reading is disconnected. Silent once closed."""
        ...

    def close(self, code: int = 1000) -> None: ...


class MediaListener(Protocol):
    """Who follows the media line: the conversation."""

    def on_started(self, started: StreamStarted) -> None: ...
    def on_audio(self, pcm: bytes, at_ms: int) -> None:
        """A frame of the callee's, spoken until `at_ms`."""
        ...

    def on_digit(self, digit: str, at_ms: int) -> None: ...
    def on_closed(self, *, orderly: bool) -> None:
        """The stream is over; `orderly` when the carrier said so rather than vanished."""
        ...


class MediaLine:
    """The audio of one live call. Lives on the event loop; nothing in it blocks or awaits."""

    def __init__(
        self,
        codec: StreamCodec,
        socket: MediaSocket,
        pacer: Pacer,
        listener: MediaListener,
        open_recording: Callable[[], Recording | None],
    ) -> None:
        self._codec = codec
        self._ahead_ms = codec.lead_ms - FRAME_MS  # the frame itself is part of the lead
        self._socket = socket
        self._pacer = pacer
        self._listeners = [listener]
        self.outgoing = Outgoing()        # what the callee hears of us, for who has to know its echo
        self._open_recording = open_recording
        self._recording: Recording | None = None
        self._loop = asyncio.get_running_loop()
        self._began: float | None = None  # loop time at call clock 0
        self._audio_clock = AudioClock()
        self._playout_ms = 0.0            # when the next frame sent will reach the callee's ear
        self._playing: Playback | None = None
        self._mark_due_ms: float | None = None
        self._marks = 0
        self._flushed_ms = 0
        self._bad_frames = 0              # in a row, and …
        self._refusals = 0                # … in all
        self._stopped = False             # the carrier said that the stream ends
        self.closed = False

    def follow(self, listener: MediaListener) -> None:
        """One more listener from now on, beside the conversation."""
        self._listeners = [*self._listeners, listener]

    def unfollow(self, listener: MediaListener) -> None:
        """Also in the middle of being told something: who else is, is told it."""
        self._listeners = [one for one in self._listeners if one is not listener]

    # -- in --------------------------------------------------------------------------------------------------

    def received(self, message: str | bytes) -> None:
        """A message from the carrier. Called in the websocket's own callback."""
        if self.closed:
            return
        try:
            event = self._codec.receive(message)
        except BadFrame as error:
            self._refuse(error)
            return
        self._bad_frames = 0
        match event:
            case AudioReceived(pcm=pcm):
                if self._began is None:
                    return
                now_ms = self.now_ms()
                # Not by the media's timestamp: a carrier may have none, or pause it while it plays something.
                duration_ms = len(pcm) // BYTES_PER_MS
                at_ms = self._audio_clock.end_of(now_ms, duration_ms)
                if self._recording is not None:
                    self._recording.callee(max(0, at_ms - duration_ms), pcm)
                for listener in self._listeners:
                    listener.on_audio(pcm, at_ms)
                if now_ms - self._flushed_ms >= FLUSH_EVERY_MS:
                    self._flushed_ms = now_ms
                    if self._recording is not None:
                        self._recording.flush(at_ms)  # not now_ms: what was held up on the way still comes
            case DigitPressed(digit=digit):
                for listener in self._listeners:
                    listener.on_digit(digit, self.now_ms())
            case MarkReached(name=name):
                self._mark_reached(name)
            case StreamStarted() if self._began is None:
                self._began = self._loop.time()
                self._recording = self._open_recording()
                for listener in self._listeners:
                    listener.on_started(event)
            case StreamEnded():
                self._stopped = True
                self.close()

    def _refuse(self, error: BadFrame) -> None:
        """One that isn't understood says nothing; the call goes on as long as others are."""
        self._bad_frames += 1
        self._refusals += 1
        if self._refusals <= MAX_REFUSALS_LOGGED:
            logger.warning("Media frame refused", extra={"reason": str(error)})
        if self._bad_frames >= MAX_BAD_FRAMES:
            self.close(code=1008)

    def disconnected(self, *, orderly: bool = False) -> None:
        """The websocket is gone; `orderly` when the carrier closed it in due form."""
        if orderly and not self._codec.says_stop:
            self._stopped = True
        self.close()

    # -- out -------------------------------------------------------------------------------------------------

    def play(self, prepared: Playback | None = None) -> Playback:
        """Begin an utterance; the one before must be done or cleared. Of a `prepared` one, which may have been fed
        already, the first frames leave with the next `pump`."""
        if self._playing is not None:
            raise RuntimeError("the media line is already playing")
        self._marks += 1
        playback = prepared or Playback()
        playback.plays(f"utterance-{self._marks}", self.pump)
        if self.closed:
            playback.done.set_result(0)
            return playback
        self._playing = playback
        self._pacer.add(self)
        return playback

    def pump(self) -> None:
        """Send what is due now, without waiting for the next tick."""
        self.tick(self._loop.time())

    def tick(self, now: float) -> None:
        try:
            self._send_due(now)
        except Exception:  # in a codec, say; without audio this call is over, and only this one
            logger.exception("Audio not sent")
            self.close(code=1011)

    def _send_due(self, now: float) -> None:
        playback = self._playing
        if playback is None or self._began is None or playback.held:
            return
        now_ms = (now - self._began) * 1000
        frames = playback.frames
        if frames:
            if self._playout_ms < now_ms:
                self._playout_ms = now_ms  # the carrier had run dry
            while frames and self._playout_ms <= now_ms + self._ahead_ms:
                if playback.start_ms is None:
                    playback.start_ms = round(self._playout_ms)
                    playback.begun.set_result(None)
                frame = frames.popleft()
                self._socket.send(self._codec.audio(frame))
                if self._recording is not None:
                    self._recording.agent(int(self._playout_ms), frame)
                self.outgoing.add(int(self._playout_ms), frame)
                playback.recent.append(frame)
                playback.sent += 1
                self._playout_ms += FRAME_MS
        if playback.finished and not frames:
            if self._mark_due_ms is None:
                self._socket.send(self._codec.mark(playback.mark))
                self._mark_due_ms = max(self._playout_ms, now_ms) + MARK_GRACE_MS
            elif now_ms > self._mark_due_ms:
                logger.warning("Mark missing")
                self._finish(playback, playback.sent * FRAME_MS)

    def clear(self) -> None:
        """Cut what is being played: the callee barged in, say. The playback is done with what was heard of it."""
        playback = self._playing
        if playback is None:
            return
        now_ms = self.now_ms()
        heard_ms = self._heard_ms(playback, now_ms)
        if not playback.held:
            self._fall_silent(now_ms)
        self._finish(playback, heard_ms)

    def hold(self) -> None:
        """Be silent for now: the callee says something, perhaps no more than "mhm". `resume` goes on where it stopped,
        or between two words right before."""
        playback = self._playing
        if playback is None or playback.held:
            return
        now_ms = self.now_ms()
        playback.take_back(self._heard_ms(playback, now_ms))
        playback.held = True
        if self._mark_due_ms is not None:  # the one that was sent may come back now, and prove nothing
            self._mark_due_ms = None
            self._marks += 1
            playback.mark = f"utterance-{self._marks}"
        self._fall_silent(now_ms)

    def resume(self) -> None:
        """Go on after a hold, with a word."""
        if self._playing is not None and self._playing.held:
            self._playing.held = False
            self._playing.skip_pause()
            self.pump()

    def finish_word(self, word_ends_ms: Sequence[int] = ()) -> asyncio.Future[int] | None:
        """Say no more than the word that is being said (see Playback.shorten); done when it has been. None: nothing is
        being said."""
        playback = self._playing
        if playback is None or playback.held or playback.start_ms is None:
            self.clear()
            return None
        playback.shorten(word_ends_ms)
        self.pump()
        return playback.done

    def _fall_silent(self, now_ms: int) -> None:
        self._socket.send(self._codec.clear())
        if self._recording is not None:
            self._recording.truncate_agent(now_ms)
        self.outgoing.truncate(now_ms)
        self._playout_ms = float(now_ms)

    def close(self, code: int = 1000) -> None:
        """End the stream from our side (or note that it has ended)."""
        if self.closed:
            return
        self.closed = True
        self._pacer.remove(self)
        now_ms = self.now_ms()
        if (playback := self._playing) is not None:
            if self._recording is not None:
                self._recording.truncate_agent(now_ms)
            self._finish(playback, self._heard_ms(playback, now_ms))
        self._socket.close(code)
        if self._recording is not None:
            self._recording.close(now_ms)
        for listener in self._listeners:
            listener.on_closed(orderly=self._stopped)
        # Who knows of each other in a circle is let go of late, by the collector: the audio needn't wait for it.
        self._listeners.clear()
        self.outgoing.forget()

    def now_ms(self) -> int:
        """The call clock."""
        return 0 if self._began is None else round((self._loop.time() - self._began) * 1000)

    def ms_at(self, at: float) -> int:
        """The call clock at an instant of the event loop's."""
        return 0 if self._began is None else round((at - self._began) * 1000)

    @property
    def silent_since_ms(self) -> int:
        """When the last of what was sent has reached, or will reach, the callee's ear."""
        return round(self._playout_ms)

    def heard_ms(self) -> int:
        """How much of what is being played the callee has heard by now."""
        return 0 if self._playing is None else self._heard_ms(self._playing, self.now_ms())

    def _heard_ms(self, playback: Playback, now_ms: int) -> int:
        """How much of what was sent the callee has heard: all but what the carrier still holds."""
        if playback.held:
            return playback.heard_ms
        held_ms = max(0, round(self._playout_ms) - now_ms)
        return max(0, playback.sent * FRAME_MS - held_ms)

    def _mark_reached(self, name: str) -> None:
        playback = self._playing
        # One that comes after a clear proves nothing where the carrier returns them then (MarksAtClear), and nobody
        # asks any more where it doesn't: by then its playback is no longer the current one.
        if playback is not None and name == playback.mark and self._mark_due_ms is not None:
            playback.marked()
            self._finish(playback, playback.sent * FRAME_MS)

    def _finish(self, playback: Playback, played_ms: int) -> None:
        self._playing = None
        self._mark_due_ms = None
        self._pacer.remove(self)
        playback.frames.clear()
        playback.recent.clear()
        if playback.start_ms is not None:
            playback.end_ms = max(playback.start_ms, min(self.now_ms(), round(self._playout_ms)))
        if not playback.done.done():
            playback.done.set_result(played_ms)
