"""What the detector gets of a call, by the call clock. Pure."""

from dataclasses import dataclass

from outdial.conversation.detection.talk import Span, Spoken
from outdial.media.frames import BYTES_PER_MS
from outdial.media.tone_tracker import Tone

AROUND_MS = 120       # of the near voice: its soft beginnings and ends
BEHIND_LEAST_MS = 300 # of somebody further away, to cut them out of what is recognised


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """32 ms, heard until `at_ms`: the probability of a voice, and the power relative to full scale."""

    at_ms: int
    voice: float
    power: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What was recognised in `span`, known at `at_ms`; "" when nothing was understood."""

    at_ms: int
    span: Span
    text: str


Heard = Window | Tone | Words


def near_audio(pcm: bytes, from_ms: int, span: Span, spoken: Spoken) -> bytes:
    """The audio of `span` as it is to be recognised, out of `pcm`, which begins at `from_ms`: where somebody talks
    behind, the near voice alone."""
    first = max(0, span.start_ms - AROUND_MS - from_ms) * BYTES_PER_MS
    part = bytearray(pcm[first : max(0, span.end_ms + AROUND_MS - from_ms) * BYTES_PER_MS])
    if spoken.behind_ms < BEHIND_LEAST_MS:
        return bytes(part)
    kept = bytearray(len(part))
    begins_ms = from_ms + first // BYTES_PER_MS
    for near in spoken.spans:
        start = max(0, near.start_ms - AROUND_MS - begins_ms) * BYTES_PER_MS
        end = max(0, near.end_ms + AROUND_MS - begins_ms) * BYTES_PER_MS
        kept[start:end] = part[start:end]
    return bytes(kept[: len(part)])
