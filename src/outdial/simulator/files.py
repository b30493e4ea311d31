"""Audio files a customer lets a carrier play."""

import io
import ipaddress
import wave
from urllib.parse import urlsplit

import httpx
import numpy as np
import soxr

from outdial.media.frames import SAMPLE_RATE_HZ

MAX_FILE_BYTES = 10_000_000


class Unplayable(Exception):
    """The text says why, without the URL."""


async def download(http: httpx.AsyncClient, url: str) -> bytes:
    """A WAV on this machine as PCM16, 8000 Hz. Raises Unplayable."""
    if not is_loopback(url):
        raise Unplayable("this simulator plays files from this machine only")
    try:
        response = await http.get(url, timeout=5)
        response.raise_for_status()
        return _pcm(response.content)
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise Unplayable(f"it could not be fetched: {type(exc).__name__}") from exc
    except (EOFError, ValueError, wave.Error) as exc:
        raise Unplayable(f"it is not a WAV: {exc}") from exc


def is_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _pcm(wav: bytes) -> bytes:
    if len(wav) > MAX_FILE_BYTES:
        raise Unplayable("the file is too long")
    with wave.open(io.BytesIO(wav)) as file:
        if file.getsampwidth() != 2:
            raise Unplayable("the file must be a 16-bit WAV")
        rate_hz, channels = file.getframerate(), file.getnchannels()
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    mono = samples.reshape(-1, channels).mean(axis=1).astype(np.float32) / 32768
    if rate_hz != SAMPLE_RATE_HZ:
        mono = soxr.resample(mono, rate_hz, SAMPLE_RATE_HZ)
    return bytes((np.clip(mono, -1, 1) * 32767).astype("<i2").tobytes())
