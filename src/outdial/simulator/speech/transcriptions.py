"""POST /v1/audio/transcriptions of OpenAI and compatible servers: a file in, its words out.

Source: platform.openai.com/docs/api-reference/audio/createTranscription.
"""

import asyncio
import io
import json
import wave
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import soxr

from outdial.media.frames import SAMPLE_RATE_HZ
from outdial.simulator.faults import FaultKind, Faults
from outdial.simulator.speech.hearing_faults import HearingFaults
from outdial.simulator.speech.socket import Refused
from outdial.speech.base import SpeechToText

NAME = "openai"
PATH = "/openai/v1/audio/transcriptions"
MODELS_PATH = "/openai/v1/models"
BROKEN = (FaultKind.HEARING_CUT, FaultKind.HEARING_CLOSED)
CODES = {"INVALID_AUTH": "invalid_api_key", "TOO_MANY_REQUESTS": "rate_limit_exceeded"}


class BrokenOff(Exception):
    """The connection breaks without an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcribed:
    type: str
    body: str


async def transcribe(
    headers: Mapping[str, str], form: Mapping[str, str], file: bytes, engine: SpeechToText, faults: Faults
) -> Transcribed:
    """Raises Refused and BrokenOff."""
    struck = HearingFaults(faults, NAME)
    if not headers.get("authorization", "").removeprefix("Bearer ").strip():
        raise refused(401, "invalid_api_key")
    struck.refuse(lambda word: error_body(CODES.get(word, word)))
    if struck.strike(FaultKind.HEARING_TOLD) is not None:
        raise refused(429, "insufficient_quota")
    if not form.get("model"):
        raise refused(400, "invalid_request_error")
    if any(struck.strike(kind) is not None for kind in BROKEN):
        raise BrokenOff
    slow, stalled = struck.strike(FaultKind.HEARING_SLOW), struck.strike(FaultKind.HEARING_STALLED)
    await asyncio.sleep(3600 if stalled else slow.delay_s if slow else 0)
    if struck.strike(FaultKind.HEARING_GARBLED) is not None:
        return Transcribed(type="application/json", body="{")
    pcm = _pcm_of(file)
    recognition = engine.recognition()
    recognition.feed(pcm)
    text = await recognition.text()
    match form.get("response_format", "json"):
        case "text":
            return Transcribed(type="text/plain", body=text + "\n")
        case "json":
            usage = {"type": "duration", "seconds": max(1, round(len(pcm) / 2 / SAMPLE_RATE_HZ))}
            return Transcribed(type="application/json", body=json.dumps({"text": text, "usage": usage}))
    raise refused(400, "unsupported_format")


def _pcm_of(file: bytes) -> bytes:
    """As a phone has it."""
    try:
        with wave.open(io.BytesIO(file)) as wav:
            if wav.getnchannels() != 1 or wav.getsampwidth() != 2:
                raise refused(400, "invalid_audio")
            samples = np.frombuffer(wav.readframes(wav.getnframes()), dtype="<i2")
            rate_hz = wav.getframerate()
    except (wave.Error, EOFError):
        raise refused(400, "invalid_audio") from None
    if rate_hz != SAMPLE_RATE_HZ:
        samples = soxr.resample(samples, rate_hz, SAMPLE_RATE_HZ)
    return bytes(samples.tobytes())


def refused(status: int, code: str) -> Refused:
    return Refused(status=status, body=error_body(code))


def error_body(code: str) -> str:
    return json.dumps({"error": {"message": code, "type": code, "param": None, "code": code}})
