"""What the detector would have got of a recording, had it been a call: the same models, and no waiting."""

from collections.abc import Callable, Iterator

import numpy as np

from outdial.conversation.detection.heard import Heard, Window, Words, near_audio
from outdial.conversation.detection.talk import Talk
from outdial.conversation.detection.words_wanted import WordsWanted
from outdial.media.frames import BYTES_PER_MS, silence
from outdial.media.tone_tracker import ToneTracker
from outdial.media.voice_activity import WINDOW_BYTES, WINDOW_MS, VoiceActivity

EVERY_WINDOWS = 3        # between two looks at what is to be recognised
TAKES_MS, TAKES_SHARE = 120, 0.03  # recognition: about so long, and so much of what is recognised


def heard_in(
    pcm: bytes, recognise: Callable[[bytes], str] | None, *, silent_after_ms: int = 0
) -> Iterator[Heard]:
    """In the order of the call clock. `pcm`: 8000 Hz PCM16; `recognise` None: nobody knows the language.
    `silent_after_ms`: of silence that is taken to follow where somebody has spoken, so that their last words are known
    before it ends."""
    windows = len(pcm) // WINDOW_BYTES
    pcm += silence(silent_after_ms)
    voices: list[float] = []
    activity = VoiceActivity()
    stream = activity.open(voices.append)
    talk, wanted, tones = Talk(), WordsWanted(), ToneTracker()
    waiting: list[Words] = []
    for place in range(len(pcm) // WINDOW_BYTES):
        at_ms = (place + 1) * WINDOW_MS
        if place >= windows and not talk.spoken(at_ms).spans:
            break
        window = pcm[place * WINDOW_BYTES : (place + 1) * WINDOW_BYTES]
        stream.feed(window)
        activity.run_once()
        yield from (words for words in waiting if words.at_ms <= at_ms)
        waiting = [words for words in waiting if words.at_ms > at_ms]
        heard = Window(at_ms=at_ms, voice=voices[-1], power=power_of(window))
        talk.window(at_ms, heard.voice, heard.power)
        yield heard
        yield from tones.feed(window, at_ms)
        if recognise is None or place % EVERY_WINDOWS:
            continue
        spoken = talk.spoken(at_ms)
        if (span := wanted.due(spoken)) is not None:
            text = recognise(near_audio(pcm[: at_ms * BYTES_PER_MS], 0, span, spoken))
            takes_ms = TAKES_MS + round(TAKES_SHARE * span.duration_ms)
            waiting.append(Words(at_ms=at_ms + takes_ms, span=span, text=text))
    yield from waiting
    stream.close()


def power_of(pcm: bytes) -> float:
    """Relative to full scale."""
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32) / np.float32(32768)
    return float(np.mean(samples**2)) if len(samples) else 0.0
