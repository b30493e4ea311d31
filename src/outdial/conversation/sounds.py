"""A sound file as it is played on a call, as often as is wanted."""

import asyncio
from dataclasses import dataclass

from outdial.conversation.playback import Playback
from outdial.media.frames import FRAME_MS
from outdial.media.sounds import Sound

MAX_LOOPS = 1000
AHEAD_MS = 4000   # of what was sent: a loop may go on for hours, and isn't laid out beforehand
LOOK_S = 1.0      # how often more is laid out


@dataclass(frozen=True, slots=True)
class Looped:
    """A sound that is played so many times, one after the other."""

    sound: Sound
    loop: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.loop <= MAX_LOOPS:
            raise ValueError(f"a sound is played 1 to {MAX_LOOPS} times")

    @property
    def written(self) -> str:
        return f"[{self.sound.name}]"

    async def feed(self, playback: Playback) -> None:
        """All of it, no further ahead of what was sent than AHEAD_MS and one round."""
        for _ in range(self.loop):
            playback.feed(self.sound.pcm)
            while len(playback.frames) * FRAME_MS > AHEAD_MS:  # noqa: ASYNC110 - nothing tells of each frame
                await asyncio.sleep(LOOK_S)
