"""What the callees of the load generator say: real speech, synthesised once, ready for the wire."""

import asyncio
import base64
import json
from functools import cache
from pathlib import Path

import numpy as np

from outdial.media.frames import FRAME_SAMPLES, frames
from outdial.media.g711 import pcm_to_ulaw
from outdial.speech.characters import Voice
from outdial.speech.offline import OfflineTextToSpeech

SENTENCES = ("Yes, that works for me.", "That is fine, thank you.", "Yes, I will be there.")
VOICED = 0.05           # of the loudest frame: below it, nobody would say that somebody speaks
NOISE_RMS = 16          # of 32768, -66 dBFS: a quiet line, not a dead one
NOISE_FRAMES = 50


@cache
def callee_audio() -> str:
    """What `read_callee_audio` reads. Loads the synthesis model, so make it outside the generator."""
    rng = np.random.default_rng(1)
    noise = rng.normal(0, NOISE_RMS, NOISE_FRAMES * FRAME_SAMPLES).astype("<i2").tobytes()
    sentences = asyncio.run(_speak())
    return json.dumps({"sentences": [_payloads(pcm) for pcm in sentences], "noise": _payloads(noise)})


def read_callee_audio(path: Path) -> tuple[list[list[bytes]], list[bytes]]:
    """Sentences and noise, each as base64 mu-law frames of 20 ms. A sentence's last frame has voice in it."""
    content = json.loads(path.read_text())
    sentences = [[payload.encode() for payload in sentence] for sentence in content["sentences"]]
    return sentences, [payload.encode() for payload in content["noise"]]


async def _speak() -> list[bytes]:
    engine = OfflineTextToSpeech(Voice.CALLEE)
    return [_trimmed(b"".join([piece async for piece in engine.speak(text)])) for text in SENTENCES]


def _trimmed(pcm: bytes) -> bytes:
    """From the first voiced frame to the last."""
    each = list(frames(pcm))
    loudness = np.array([np.sqrt(np.mean(np.frombuffer(frame, "<i2").astype(float) ** 2)) for frame in each])
    voiced = np.flatnonzero(loudness >= VOICED * loudness.max())
    return b"".join(each[voiced[0] : voiced[-1] + 1])


def _payloads(pcm: bytes) -> list[str]:
    return [base64.b64encode(pcm_to_ulaw(frame)).decode() for frame in frames(pcm)]
