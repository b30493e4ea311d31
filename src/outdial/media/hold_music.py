"""What a callee hears who waits: a few soft notes, made here, again and again. As PCM16 (see media.frames)."""

from functools import lru_cache

from outdial.media.frames import silence
from outdial.media.tones import tone

LEVEL_DBFS = -27.0  # well below a voice
NOTE_MS, REST_MS = 420, 180
PAUSE_MS = 1200     # between two rounds: shorter than anybody takes for a line that is dead
NOTES_HZ = (392.0, 493.9, 587.3, 659.3, 587.3, 493.9, 440.0, 523.3, 587.3, 493.9)  # G4 B4 D5 E5 D5 B4 A4 C5 D5 B4


@lru_cache(maxsize=1)
def hold_music() -> bytes:
    """One round; played one after the other they are the music."""
    notes = b"".join(tone((hz, 2 * hz), NOTE_MS, LEVEL_DBFS) + silence(REST_MS) for hz in NOTES_HZ)
    return notes + silence(PAUSE_MS)
