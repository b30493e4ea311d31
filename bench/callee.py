"""One callee of the load generator, on Twilio's side of a media stream: talks, listens, returns marks."""

import base64
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import count, cycle

import msgspec

from bench.listening import LONG_GAP_S, Tally, Utterance
from bench.vendors import tags
from outdial.media.frames import FRAME_SAMPLES

PAYLOAD_CHARS = -(-FRAME_SAMPLES // 3) * 4  # of one frame in base64
THINKS_S = (0.3, 1.2)                       # between the agent's last word and ours
GLANCE_S = 0.3
STAYS_S = 120.0      # on average
GOLDEN = (math.sqrt(5) - 1) / 2
FINISHED_S = 0.7     # of silence, after which the agent has finished
UNANSWERED_S = 6.0   # after our last word, when we speak again
SILENT_SHARE = 0.9   # of the characters of a payload of digital silence that are those of zeros


class Manner(StrEnum):
    TALKS = "talks"      # answers every utterance of the agent with a sentence
    LISTENS = "listens"  # a quiet line all the time
    BUSY = "busy"        # never answers
    UNANSWERED = "unanswered"  # never answers either, and the carrier tells that it rings
    WAITS = "waits"      # as `talks`, but knows by its silence that the agent has finished, and speaks again unanswered
    GLANCES = "glances"  # a quiet line, which hangs up a moment after the agent's first word
    LEAVES = "leaves"    # as `talks`, and hangs up some time


class _Media(msgspec.Struct):
    payload: str


class _Mark(msgspec.Struct):
    name: str


class MediaMessage(msgspec.Struct, tag_field="event", tag="media"):
    media: _Media


class MarkMessage(msgspec.Struct, tag_field="event", tag="mark"):
    mark: _Mark


class ClearMessage(msgspec.Struct, tag_field="event", tag="clear"):
    pass


_decode = msgspec.json.Decoder(MediaMessage | MarkMessage | ClearMessage).decode


def stays() -> Iterator[float]:
    """How long each callee of a row stays, s: spread as by chance, so that from the first moment on as many leave as
    later, but evenly (the golden ratio fills up its gaps)."""
    for number in count(1):
        yield -STAYS_S * math.log(1 - number * GOLDEN % 1)


_stays_s = stays()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sounds:
    """Payloads of 20 ms, ready for the wire."""

    sentences: Sequence[Sequence[bytes]]
    noise: Sequence[bytes]

    def noise_of(self, number: str) -> Sequence[bytes]:
        """With the callee's number in it once a second, which only simulated vendors hear."""
        if not number:
            return self.noise
        first = base64.b64decode(self.noise[0])
        return [base64.b64encode(tags.marked(tags.number_of(number), first)), *self.noise[1:]]


class Callee:
    """`send` takes a message, `leave` hangs up; `tick` is called every 20 ms, `heard` with every message that arrives.
    """

    def __init__(
        self,
        send: Callable[[bytes], None],
        stream_sid: str,
        manner: Manner,
        sounds: Sounds,
        tally: Tally,
        number: str = "",
        leave: Callable[[], None] = lambda: None,
    ) -> None:
        self._number = number
        self._leave = leave
        self._send = send
        self._manner = manner
        self._sounds = sounds
        self._tally = tally
        self._tail = b'"},"streamSid":"' + stream_sid.encode() + b'"}'
        self._sid = stream_sid.encode()
        self._sequence = 1
        self._noise: Iterator[bytes] = cycle(sounds.noise_of(number))
        self._sentence: Iterator[bytes] | None = None
        self._speak_at: float | None = None
        self._spoken_at: float | None = None  # when our last voiced frame left; None once it was answered
        self._utterance: Utterance | None = None
        self._mark: str | None = None         # returned when everything before it was played
        self._began_at: float | None = None   # the agent's first frame
        self._stays_s: float | None = None    # from then on; None: until the agent hangs up
        if manner is Manner.GLANCES:
            self._stays_s = GLANCE_S
        elif manner is Manner.LEAVES:
            self._stays_s = next(_stays_s)
        self._waits = manner is Manner.WAITS

    def tick(self, now: float) -> None:
        """Send our next frame."""
        if self._stays_s is not None and self._began_at is not None and now >= self._began_at + self._stays_s:
            self._leave()
            return
        if self._mark is not None and (self._utterance is None or now >= self._utterance.heard_until):
            if self._waits:
                self._return_mark()
            else:
                self._played(now)
        if self._waits:
            self._wait(now)
        if self._speak_at is not None and now >= self._speak_at:
            self._speak_at = None
            self._sentence = iter(random.choice(self._sounds.sentences))
        payload = None
        if self._sentence is not None and (payload := next(self._sentence, None)) is None:
            self._sentence = None
            self._spoken_at = now - 0.02  # the frame before this one was the last with voice in it
        self._sequence = number = self._sequence + 1
        self._send(
            b'{"event":"media","sequenceNumber":"%d","media":{"track":"inbound","chunk":"%d","timestamp":"%d","payload":"'
            % (number, number - 1, (number - 1) * 20)
            + (payload or next(self._noise))
            + self._tail
        )

    def _wait(self, now: float) -> None:
        if self._utterance is not None and now >= self._utterance.heard_until + FINISHED_S:
            self._utterance = None
            self._tally.utterances += self._tally.counting
            self._speak_at = now + random.uniform(*THINKS_S)
        elif self._spoken_at is not None and now >= self._spoken_at + UNANSWERED_S:
            self._spoken_at = None
            self._tally.unanswered += self._tally.counting
            self._speak_at = now

    def heard(self, text: bytes, at: float) -> None:
        match _decode(text):
            case MediaMessage(media=media):
                self._frame(media.payload, at)
            case MarkMessage(mark=mark):
                self._mark = mark.name
            case ClearMessage():
                if self._mark is not None:
                    self._return_mark()
                if self._waits and self._utterance is not None:
                    self._utterance.heard_until = min(self._utterance.heard_until, at)
                else:
                    self._utterance = None

    def _frame(self, payload: str, at: float) -> None:
        frames = 1.0
        if len(payload) != PAYLOAD_CHARS:
            if not self._waits:
                raise ValueError("the agent's frames are to have 20 ms")
            frames = (len(payload) * 3 // 4 - payload.count("=", -2)) / FRAME_SAMPLES
        if self._waits and payload.count("/") > SILENT_SHARE * len(payload):
            return
        tally = self._tally
        if self._utterance is None:
            self._utterance = Utterance(at)
            self._began_at = self._began_at or at
            if self._spoken_at is not None and tally.counting:
                tally.replies.append(at - self._spoken_at)
                tally.turns.append((self._number, self._spoken_at, at))
            self._spoken_at = None
        late, gap = self._utterance.frame(at, frames)
        if tally.counting:
            tally.late.append(late)
            tally.gaps += gap
            tally.long_gaps += self._utterance.gap_s > LONG_GAP_S

    def _played(self, now: float) -> None:
        self._return_mark()
        self._utterance = None
        self._tally.utterances += self._tally.counting
        if self._manner in (Manner.TALKS, Manner.LEAVES):
            self._speak_at = now + random.uniform(*THINKS_S)

    def _return_mark(self) -> None:
        assert self._mark is not None
        name = msgspec.json.encode(self._mark)
        self._mark = None
        self._sequence += 1
        self._send(
            b'{"event":"mark","sequenceNumber":"%d","streamSid":"%b","mark":{"name":%b}}'
            % (self._sequence, self._sid, name)
        )
