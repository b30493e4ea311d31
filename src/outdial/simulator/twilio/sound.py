"""What a call is made to hear: speech, files, digits."""

from outdial.media import tones
from outdial.media.frames import silence
from outdial.simulator.files import Unplayable, download
from outdial.simulator.line import Nobody, Player
from outdial.simulator.twilio import errors
from outdial.simulator.twilio.call import TwilioCall

PRESSED_MS = 100
DIGIT_PAUSES_MS = {"w": 500, "W": 1000}


async def play(live: TwilioCall, pcm: bytes) -> None:
    line = live.phone_line
    player = Player(pcm)
    line.peer = player
    try:
        await player.finished.wait()
    finally:
        if line.peer is player:
            line.peer = Nobody()


async def press(live: TwilioCall, digits: str) -> None:
    """Digits as tones; `w` and `W` are pauses."""
    for digit in digits:
        if digit in DIGIT_PAUSES_MS:
            await play(live, silence(DIGIT_PAUSES_MS[digit]))
        else:
            await play(live, tones.dtmf(digit.upper(), PRESSED_MS) + silence(PRESSED_MS))


async def repeat(live: TwilioCall, pcm: bytes, loop: int) -> None:
    """0 times means until the call ends."""
    rounds = 0
    while pcm and (loop == 0 or rounds < loop):
        await play(live, pcm)
        rounds += 1


async def play_file(live: TwilioCall, url: str, loop: int) -> None:
    """What can't be played is noted and skipped, as Twilio does."""
    try:
        pcm = await download(live.network.http, url)
    except Unplayable as exc:
        live.note(errors.HTTP_RETRIEVAL_FAILURE, f"<Play>: {exc}", url=url)
        return
    await repeat(live, pcm, loop)
