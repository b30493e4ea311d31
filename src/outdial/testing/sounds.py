"""Sound files in memory, for calls on which nothing is fetched."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from outdial.media import tones
from outdial.media.sounds import Sound, SoundFailed, name_of

UNKNOWN_MS = 2000  # of a file that nobody described


@dataclass(slots=True)
class SoundsInMemory:
    """`lengths_ms` by URL; every other file is as long as UNKNOWN_MS. Those that `fail`, with a word, can't be played;
    `slow` ones come after so many seconds. `asked`: for which files, one after the other."""

    lengths_ms: Mapping[str, int] = field(default_factory=dict)
    fail: Mapping[str, str] = field(default_factory=dict)
    slow: Mapping[str, float] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def fetch(self, source: str) -> Sound:
        self.asked.append(source)
        if (late_s := self.slow.get(source)) is not None:
            await asyncio.sleep(late_s)
        return self.sound(source)

    def sound(self, source: str) -> Sound:
        """At once. Raises SoundFailed."""
        if (word := self.fail.get(source)) is not None:
            raise SoundFailed(word)
        return Sound(name_of(source), tones.tone((440.0,), self.lengths_ms.get(source, UNKNOWN_MS)))
