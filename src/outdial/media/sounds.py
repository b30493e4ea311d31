"""Sound files, ready to be played on calls, and how a call gets them."""

from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote, urlsplit

from outdial.media.frames import BYTES_PER_MS

MAX_NAME = 60     # characters
NO_NAME = "sound"


class SoundFailed(Exception):
    """A sound file can't be played; the call is still up. `word` says why, in ours: refused_address, host_not_found,
    connection, timeout, http_404 and its like, too_large, too_long, no_sound, mp3_not_installed, silent."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


@dataclass(frozen=True, slots=True)
class Sound:
    """Ready to be played: PCM16 at 8 kHz, as loud as our voice. `name`: how the transcript has it."""

    name: str
    pcm: bytes

    @property
    def ms(self) -> int:
        return len(self.pcm) // BYTES_PER_MS


class Sounds(Protocol):
    async def fetch(self, source: str) -> Sound:
        """What is at a URL. Takes some seconds at most. Raises SoundFailed."""
        ...


class NoSounds:
    """Where none can be reached."""

    async def fetch(self, source: str) -> Sound:
        raise SoundFailed("not_reached")


def name_of(source: str) -> str:
    """Of the file alone: the rest of a URL may hold keys."""
    try:
        name = unquote(urlsplit(source).path).rpartition("/")[2]
    except ValueError:
        return NO_NAME
    shown = "".join(one for one in name if one.isprintable() and one not in "[]").strip()
    return shown[:MAX_NAME] or NO_NAME
