"""What a leg is made to hear: speech, files, digits."""

import re

from outdial.media import tones
from outdial.media.frames import silence
from outdial.simulator.files import Unplayable, download
from outdial.simulator.vonage.call import PhoneLeg

PRESSED_MS = 100
PAUSE_MS = 500
_TAG = re.compile(r"<[^>]*>")


async def press(live: PhoneLeg, digits: str) -> None:
    """Digits as tones; `p` is a pause."""
    for digit in digits:
        if digit == "p":
            await live.audio.play(silence(PAUSE_MS))
        else:
            await live.audio.play(tones.dtmf(digit, PRESSED_MS) + silence(PRESSED_MS))


async def say(live: PhoneLeg, text: str, loop: int) -> None:
    """SSML is read without its tags."""
    await _repeat(live, await live.network.agent_voice.audio(_TAG.sub(" ", text)), loop)


async def play_file(live: PhoneLeg, url: str, loop: int) -> None:
    """What can't be played is an error event, and skipped."""
    try:
        pcm = await download(live.network.http, url)
    except Unplayable as exc:
        live.complain(f"The stream can't be played: {exc}", url)
        return
    await _repeat(live, pcm, loop)


async def _repeat(live: PhoneLeg, pcm: bytes, loop: int) -> None:
    """0 times means until the call ends."""
    rounds = 0
    while pcm and (loop == 0 or rounds < loop):
        await live.audio.play(pcm)
        rounds += 1
