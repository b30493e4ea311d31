"""outdial amd: who answered, by a recording."""

import json as json_format
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outdial.cli.failures import CommandFailed
from outdial.cli.output import AsJson, console, progress
from outdial.cli.verbs import verbs

if TYPE_CHECKING:
    from outdial.conversation.detection.judge import Judgement

app = verbs()

LONGEST_S = 60  # of a recording that is looked at: an opening is shorter
MOST_BYTES = 64 * 2**20  # of its file
NOT_READ = "it is none, or neither PCM nor G.711, or has no sample rate"
AFTER_S = 3     # of silence are taken to follow: what was said last is judged by what comes after it


@app.command()
def amd(
    file: Annotated[
        Path, typer.Argument(help="A WAV file, PCM or G.711. Of a stereo one the left side: the callee's.")
    ],
    language: Annotated[str, typer.Option(help="What is spoken, such as en.")] = "en",
    json: AsJson = False,
) -> None:
    """Tell who answered a call, by its recording.

    The recording begins when the call is answered. Three seconds of silence are
    taken to follow where somebody has spoken in it. What gives them away is told
    with it: when somebody spoke, tones, and words where the language is English.
    """
    judgements = _judgements(_callee(file), language)
    last = judgements[-1] if judgements else None
    if json:
        typer.echo(json_format.dumps(_found(judgements)))
        return
    for judgement in judgements:
        told = "; ".join(judgement.evidence)
        line = f"{judgement.at_ms / 1000:5.1f} s  {judgement.decision}: {judgement.category}  {told}"
        console.print(line, markup=False, soft_wrap=True)
    console.print(f"Answered by: {'unknown' if last is None else last.category}", markup=False)


def _found(judgements: "list[Judgement]") -> dict[str, Any]:
    """The last one; its time is when that category was told first."""
    if not judgements:
        return {"category": "unknown", "evidence": [], "after_ms": None, "confidence": None}
    last = judgements[-1]
    since_ms = last.at_ms
    for judgement in reversed(judgements):
        if judgement.category is not last.category:
            break
        since_ms = judgement.at_ms
    return {
        "category": str(last.category),
        "evidence": list(last.evidence),
        "after_ms": since_ms,
        "confidence": last.confidence,
    }


def _judgements(pcm: bytes, language: str) -> "list[Judgement]":
    from outdial.conversation.detection.detector import Detector
    from outdial.conversation.detection.recorded_audio import heard_in
    from outdial.conversation.understanding.language import language_of
    from outdial.media.frames import BYTES_PER_MS

    recognise = _recogniser(language)
    detector = Detector(None if recognise is None else language_of(language))
    taken = (detector.take(heard) for heard in heard_in(pcm, recognise, silent_after_ms=1000 * AFTER_S))
    found = [judgement for judgement in taken if judgement is not None]
    if found and found[-1].at_ms > len(pcm) // BYTES_PER_MS:
        progress.print(f"Judged as if {AFTER_S} s of silence came after its end.", markup=False, soft_wrap=True)
    return found


def _recogniser(language: str) -> Callable[[bytes], str] | None:
    """None where words can't be known, which is said."""
    from outdial.speech.offline import available, recognise

    problem = available()[1].problem
    if problem is None and language.lower().partition("-")[0] == "en":
        return recognise
    why = problem or f"nobody here recognises speech in '{language}'"
    progress.print(f"Judged by timing and tones alone: {why}.", markup=False, soft_wrap=True)
    return None


def _callee(file: Path) -> bytes:
    """PCM16 at 8000 Hz. Raises CommandFailed."""
    import numpy as np
    import soxr

    from outdial.media.frames import SAMPLE_RATE_HZ
    from outdial.media.sounds import SoundFailed
    from outdial.speech.sound_decoding import wav_channels

    try:
        with file.open("rb") as opened:
            channels, rate_hz = wav_channels(opened.read(MOST_BYTES))
    except OSError as error:
        raise CommandFailed(f"{file} can't be read: {error.strerror or type(error).__name__}") from None
    except SoundFailed:
        raise CommandFailed(f"{file} can't be read as a WAV file: {NOT_READ}") from None
    heard = channels[: LONGEST_S * rate_hz, 0]
    if not len(heard):
        raise CommandFailed(f"{file} can't be judged: it has no audio")
    if rate_hz != SAMPLE_RATE_HZ:
        heard = soxr.resample(heard, rate_hz, SAMPLE_RATE_HZ)
    return bytes((np.clip(heard, -1, 1) * 32767).astype("<i2").tobytes())
