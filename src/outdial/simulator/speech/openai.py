"""POST /v1/audio/speech of OpenAI and compatible servers: a text whole, its audio in pieces of any length.

Source: platform.openai.com/docs/api-reference/audio/createSpeech.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping

import numpy as np
import soxr

from outdial.media.frames import SAMPLE_RATE_HZ
from outdial.simulator.faults import FaultKind, Faults
from outdial.simulator.speech.socket import Refused, refusal
from outdial.simulator.speech.utterance import FIRST_S, PIECE_S, Speak, strike

NAME = "openai"
PATH = "/openai/v1/audio/speech"
PCM_HZ = 24_000
PIECE_BYTES = 9_601  # 200 ms and half a sample
ODD = (FaultKind.VOICE_OUT_OF_QUOTA, FaultKind.VOICE_BUSY)
CODES = {
    FaultKind.VOICE_UNAUTHORIZED: "invalid_api_key",
    FaultKind.VOICE_THROTTLED: "rate_limit_exceeded",
    FaultKind.VOICE_ERROR: "server_error",
    FaultKind.VOICE_OUT_OF_QUOTA: "insufficient_quota",
    FaultKind.VOICE_BUSY: "rate_limit_exceeded",
}


class BrokenOff(Exception):
    """The connection breaks here."""


class OpenAiSpeech:
    async def answer(
        self, headers: Mapping[str, str], body: bytes, speak: Speak, faults: Faults
    ) -> tuple[str, AsyncGenerator[bytes]]:
        """The content type and the body, which may raise BrokenOff. Raises Refused."""
        if not headers.get("authorization", "").removeprefix("Bearer ").strip():
            raise _refused(401, "invalid_api_key")
        try:
            asked = json.loads(body)
            text, rate_hz = str(asked["input"]), int(asked.get("sample_rate", PCM_HZ))
        except (ValueError, TypeError, KeyError):
            raise _refused(400, "invalid_request_error") from None
        if not text or len(text) > 4096 or not asked.get("voice") or not asked.get("model"):
            raise _refused(400, "invalid_request_error")
        if asked.get("response_format") != "pcm":
            raise _refused(400, "unsupported_format")
        if (refused := refusal(faults, NAME, lambda fault: _error(CODES[fault.kind]))) is not None:
            raise refused
        struck = strike(faults, NAME)
        for kind in ODD:
            if kind in struck:
                raise _refused(429, CODES[kind])
        if FaultKind.VOICE_GARBLED in struck:
            return "audio/mpeg", _pieces(b"ID3" + bytes(1000))
        pcm = np.frombuffer(await speak(text), dtype="<i2")
        audio = soxr.resample(pcm, SAMPLE_RATE_HZ, rate_hz).astype("<i2").tobytes()
        slow = struck.get(FaultKind.VOICE_SLOW)
        if slow is not None:
            await asyncio.sleep(slow.delay_s)
        broken = next((struck[kind] for kind in (FaultKind.VOICE_CUT, FaultKind.VOICE_CLOSED) if kind in struck), None)
        stalled = struck.get(FaultKind.VOICE_STALLED)
        bytes_a_ms = rate_hz * 2 / 1000
        return "audio/pcm", _pieces(
            audio,
            broken_at=None if broken is None else int(broken.after_ms * bytes_a_ms),
            stalled_at=None if stalled is None else int(stalled.after_ms * bytes_a_ms),
        )


async def _pieces(
    audio: bytes, *, broken_at: int | None = None, stalled_at: int | None = None
) -> AsyncGenerator[bytes]:
    await asyncio.sleep(FIRST_S)
    for at in range(0, len(audio), PIECE_BYTES):
        if broken_at is not None and at >= broken_at:
            raise BrokenOff
        if stalled_at is not None and at >= stalled_at:
            await asyncio.get_running_loop().create_future()
        yield audio[at : at + PIECE_BYTES]
        await asyncio.sleep(PIECE_S)


def _error(code: str) -> str:
    return json.dumps({"error": {"message": code, "type": code, "param": None, "code": code}})


def _refused(status: int, code: str) -> Refused:
    return Refused(status=status, body=_error(code))
