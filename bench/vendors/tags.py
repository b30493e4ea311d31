"""Whose audio and whose words these are, so that what processes note can be put together: pure.

Every callee has a number of up to four digits, the last ones of its telephone number. It is in the noise of its line
(a recogniser is told nothing else about a call) and, as a word that can be said, in what the model answers (nor is a
voice)."""

import re

from outdial.media.frames import FRAME_SAMPLES
from outdial.media.g711 import ulaw_to_pcm

DIGITS = 4
SYLLABLES = ("ba", "be", "bo", "da", "de", "do", "ka", "ke", "ko", "ma")
_WORD = re.compile(f"(?:{'|'.join(SYLLABLES)}){{{DIGITS}}}")

# Mu-law of a few steps beside zero: no louder than the noise of a quiet line.
MARK = b"\xfc\x7c\xfa\x7a" * 4
_ZERO = 0xF0
MARK_PCM = ulaw_to_pcm(MARK)
_DIGIT_PCM = {ulaw_to_pcm(bytes([_ZERO + digit])): digit for digit in range(10)}


def number_of(e164: str) -> int:
    return int(e164[-DIGITS:])


def word(number: int) -> str:
    return "".join(SYLLABLES[int(digit)] for digit in f"{number:0{DIGITS}}")


def number_in(text: str) -> int | None:
    """That of the word in a text; None where there is none."""
    found = _WORD.search(text)
    if found is None:
        return None
    said = found[0]
    return int("".join(str(SYLLABLES.index(said[at : at + 2])) for at in range(0, len(said), 2)))


def marked(number: int, noise: bytes) -> bytes:
    """A frame of noise (mu-law) with the number in it."""
    digits = bytes(_ZERO + int(digit) for digit in f"{number:0{DIGITS}}")
    return (MARK + digits + noise[len(MARK) + DIGITS :])[:FRAME_SAMPLES]


def number_heard(audio: bytes, *, mulaw: bool) -> int | None:
    """The number in audio as it arrived, mu-law or PCM16; None where it isn't whole in it."""
    mark, size = (MARK, 1) if mulaw else (MARK_PCM, 2)
    at = audio.find(mark)
    digits = audio[at + len(mark) : at + len(mark) + DIGITS * size]
    if at < 0 or len(digits) < DIGITS * size:
        return None
    pcm = ulaw_to_pcm(digits) if mulaw else digits
    found = [_DIGIT_PCM.get(pcm[place : place + 2]) for place in range(0, len(pcm), 2)]
    return None if None in found else int("".join(map(str, found)))
