"""Simulated recognition: Deepgram's two protocols, with what every callee of the benchmark says.

A voice is told from noise by loud samples, so that a message costs some microseconds; the clock is the audio that has
arrived, as Deepgram's is. Words come at the pace of speech, and end as their sentence does."""

import json
from collections.abc import Callable
from time import perf_counter

from bench.vendors.tags import number_heard
from bench.vendors.websocket_server import Peer

WORDS = ("Yes,", "that", "works", "well", "for", "me,", "thank", "you.")
WORD_MS = 250            # of voice
LOUD_SHARE = 0.05        # of the samples of a message that has a voice in it
UPDATE_MS = 250          # Flux: of audio while nothing changes
END_OF_TURN_MS = 400     # Flux: of silence
INTERIM_MS = 500         # nova: of audio
ENDPOINTING_MS = 160     # nova: of silence, after which what was said is final
FINALIZE_S = 0.1         # nova: until what was asked for is final

QUIET_MULAW = bytes(code for code in range(256) if (code & 0x7F) >= 0x60)  # below 256 of 32768
QUIET_HIGH = b"\x00\xff"                                                  # of PCM16, the same

Ended = Callable[[int, float], None]


class Ears:
    """Of one connection: voice and quiet, in ms of the audio that has come, and whose audio it is."""

    def __init__(self, *, mulaw: bool) -> None:
        self._mulaw = mulaw
        self.number: int | None = None
        self.heard_ms = 0.0
        self.began_ms: float | None = None  # a voice
        self.voiced_ms = 0.0
        self.quiet_ms = 0.0

    def feed(self, audio: bytes) -> None:
        ms = len(audio) / (8 if self._mulaw else 16)
        if self.number is None:
            self.number = number_heard(audio, mulaw=self._mulaw)
        self.heard_ms += ms
        samples = audio if self._mulaw else audio[1::2]
        loud = len(samples.translate(None, QUIET_MULAW if self._mulaw else QUIET_HIGH))
        if loud > LOUD_SHARE * len(samples):
            if self.began_ms is None:
                self.began_ms = self.heard_ms - ms
            self.voiced_ms += ms
            self.quiet_ms = 0.0
        else:
            self.quiet_ms += ms

    def over(self) -> None:
        """The next voice begins something else."""
        self.began_ms = None
        self.voiced_ms = 0.0


def words(count: int, began_ms: float, *, punctuated: str) -> list[dict[str, object]]:
    return [
        {punctuated: word, "confidence": 0.99, "start": (began_ms + at * WORD_MS) / 1000,
         "end": (began_ms + (at + 1) * WORD_MS) / 1000}
        for at, word in enumerate(WORDS[:count])
    ]  # fmt: skip


class Flux:
    """Deepgram's listen v2."""

    def __init__(self, peer: Peer, ended: Ended, *, mulaw: bool) -> None:
        self._peer = peer
        self._ended = ended
        self._ears = Ears(mulaw=mulaw)
        self._turn = 0
        self._told_ms = 0.0
        self._sequence = 0
        self._since_ms = 0.0
        self._send({"type": "Connected", "request_id": "r-1", "sequence_id": 0})

    def receive(self, data: bytes, *, text: bool) -> None:
        if text:
            if b"CloseStream" in data:
                self._peer.close()
            return
        ears = self._ears
        before_ms = ears.began_ms
        ears.feed(data)
        if ears.began_ms is not None and before_ms is None:
            self._tell("StartOfTurn")
        elif ears.began_ms is not None and ears.quiet_ms >= END_OF_TURN_MS:
            self._tell("EndOfTurn", all_words=True)
            if ears.number is not None:
                self._ended(ears.number, perf_counter())
            self._turn += 1
            self._since_ms = ears.heard_ms
            ears.over()
        elif ears.heard_ms - self._told_ms >= UPDATE_MS:
            self._tell("Update")

    def gone(self) -> None:
        pass

    def _tell(self, event: str, *, all_words: bool = False) -> None:
        ears = self._ears
        self._told_ms = ears.heard_ms
        began_ms = ears.began_ms
        count = 0 if began_ms is None else len(WORDS) if all_words else min(7, 1 + int(ears.voiced_ms // WORD_MS))
        self._sequence += 1
        self._send({
            "type": "TurnInfo", "request_id": "r-1", "sequence_id": self._sequence, "event": event,
            "turn_index": self._turn, "audio_window_start": self._since_ms / 1000,
            "audio_window_end": ears.heard_ms / 1000, "transcript": " ".join(WORDS[:count]),
            "words": words(count, began_ms or 0.0, punctuated="word"),
            "end_of_turn_confidence": 0.9 if all_words else 0.1,
        })  # fmt: skip

    def _send(self, message: dict[str, object]) -> None:
        self._peer.send(json.dumps(message).encode())


class Nova:
    """Deepgram's listen v1, with interim results."""

    def __init__(self, peer: Peer, ended: Ended, later: Callable[[float, Callable[[], None]], object],
                 *, mulaw: bool) -> None:  # fmt: skip
        self._peer = peer
        self._ended = ended
        self._later = later
        self._ears = Ears(mulaw=mulaw)
        self._told_ms = 0.0
        self._since_ms = 0.0
        self._open = True

    def receive(self, data: bytes, *, text: bool) -> None:
        ears = self._ears
        if text:
            if b"Finalize" in data:
                self._later(FINALIZE_S, self._finalize)
            elif b"CloseStream" in data:
                self._peer.close()
            return
        ears.feed(data)
        if ears.began_ms is not None and ears.quiet_ms >= ENDPOINTING_MS:
            self._final(speech=True)
        elif ears.heard_ms - self._told_ms >= INTERIM_MS:
            self._tell(final=False)

    def gone(self) -> None:
        self._open = False

    def _finalize(self) -> None:
        if self._open:
            self._final(speech=False, asked=True)

    def _final(self, *, speech: bool, asked: bool = False) -> None:
        had_voice = self._ears.began_ms is not None
        self._tell(final=True, speech=speech, asked=asked)
        if had_voice and self._ears.number is not None:
            self._ended(self._ears.number, perf_counter())
        self._since_ms = self._ears.heard_ms
        self._ears.over()

    def _tell(self, *, final: bool, speech: bool = False, asked: bool = False) -> None:
        ears = self._ears
        self._told_ms = ears.heard_ms
        began_ms = ears.began_ms
        count = 0 if began_ms is None else len(WORDS) if final else min(7, 1 + int(ears.voiced_ms // WORD_MS))
        found = words(count, began_ms or 0.0, punctuated="punctuated_word")
        told = [{"word": str(one["punctuated_word"]).strip(",.").lower(), **one} for one in found]
        heard = {"transcript": " ".join(WORDS[:count]), "confidence": 0.99, "words": told}
        self._peer.send(json.dumps({
            "type": "Results", "channel_index": [0, 1], "start": self._since_ms / 1000,
            "duration": (ears.heard_ms - self._since_ms) / 1000, "is_final": final, "speech_final": speech,
            "from_finalize": asked, "channel": {"alternatives": [heard]},
            "metadata": {"request_id": "r-1", "model_info": {"name": "general", "version": "v", "arch": "nova-3"},
                         "model_uuid": "u"},
        }).encode())  # fmt: skip
