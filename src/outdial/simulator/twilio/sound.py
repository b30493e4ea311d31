"""What a call is made to hear: speech, files, digits."""

import io
import ipaddress
import wave
from urllib.parse import urlsplit

import httpx
import numpy as np
import soxr

from outdial.media import tones
from outdial.media.frames import SAMPLE_RATE_HZ, silence
from outdial.simulator.line import Nobody, Player
from outdial.simulator.twilio import errors
from outdial.simulator.twilio.call import TwilioCall

MAX_FILE_BYTES = 10_000_000
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
    """Digits as tones, and as the events a phone menu goes by; `w` and `W` are pauses."""
    for digit in digits:
        if digit in DIGIT_PAUSES_MS:
            await play(live, silence(DIGIT_PAUSES_MS[digit]))
        else:
            await play(live, tones.dtmf(digit.upper(), PRESSED_MS) + silence(PRESSED_MS))
            live.phone_line.phone.hear_digit(digit.upper())


async def repeat(live: TwilioCall, pcm: bytes, loop: int) -> None:
    """0 times means until the call ends."""
    rounds = 0
    while pcm and (loop == 0 or rounds < loop):
        await play(live, pcm)
        rounds += 1


async def play_file(live: TwilioCall, url: str, loop: int) -> None:
    """What can't be played is noted and skipped, as Twilio does."""
    try:
        pcm = await _download(live.network.http, url)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, EOFError, wave.Error) as exc:
        live.note(errors.HTTP_RETRIEVAL_FAILURE, f"<Play>: {exc or type(exc).__name__}", url=url)
        return
    await repeat(live, pcm, loop)


async def _download(http: httpx.AsyncClient, url: str) -> bytes:
    """A WAV as our PCM. Raises ValueError for a URL that isn't on this machine."""
    if not is_loopback(url):
        raise ValueError("this simulator plays files from this machine only")
    response = await http.get(url, timeout=5)
    response.raise_for_status()
    if len(response.content) > MAX_FILE_BYTES:
        raise ValueError("the file is too long")
    with wave.open(io.BytesIO(response.content)) as file:
        if file.getsampwidth() != 2:
            raise ValueError("the file must be a 16-bit WAV")
        rate_hz, channels = file.getframerate(), file.getnchannels()
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    mono = samples.reshape(-1, channels).mean(axis=1).astype(np.float32) / 32768
    if rate_hz != SAMPLE_RATE_HZ:
        mono = soxr.resample(mono, rate_hz, SAMPLE_RATE_HZ)
    return bytes((np.clip(mono, -1, 1) * 32767).astype("<i2").tobytes())


def is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
