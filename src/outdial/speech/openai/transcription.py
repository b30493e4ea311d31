"""OpenAI's /audio/transcriptions: one request an utterance, with a WAV made of it. No I/O here.

Servers that call themselves compatible differ: source is what they do (speaches, LocalAI, llama.cpp, vLLM).
"""

import json
import struct

from outdial.speech.choice import RecognitionChoice
from outdial.speech.wire.failures import Fault, VendorFailed

SAMPLE_RATE_HZ = 8000
PATH = "/audio/transcriptions"


def form_of(choice: RecognitionChoice, language: str) -> dict[str, str]:
    """The parts beside the file."""
    options = choice.options
    form = {
        "model": choice.model,
        "response_format": "json",
        "language": str(options.get("language") or language.partition("-")[0].lower()),
    }
    if "prompt" in options:
        form["prompt"] = str(options["prompt"])
    return form


def wav_of(pcm: bytes) -> bytes:
    """PCM16 of a phone as a file."""
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(pcm), b"WAVE", b"fmt ", 16, 1, 1, SAMPLE_RATE_HZ, 2 * SAMPLE_RATE_HZ,
        2, 16, b"data", len(pcm),
    )  # fmt: skip
    return head + pcm


def text_of(body: bytes) -> str:
    """Of an answer, JSON or plain. Raises VendorFailed for one that has no text."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise VendorFailed(Fault.UNREADABLE) from None
    text = found.get("text") if isinstance(found, dict) else None
    if not isinstance(text, str):
        raise VendorFailed(Fault.UNREADABLE)
    return " ".join(text.split())
