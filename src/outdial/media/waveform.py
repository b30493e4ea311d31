"""What a recording looks like: the peaks of both channels, few enough to be drawn.

Reading half an hour of audio takes 20 ms or so; the result is kept beside the recording, for it is looked at again.
"""

import json
import logging
import os
import tempfile
import wave
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import numpy as np
from typing_extensions import TypedDict

from outdial.media.frames import SAMPLE_RATE_HZ
from outdial.media.recording import CHANNELS, SAMPLE_BYTES

logger = logging.getLogger(__name__)

MAX_POINTS = 1200
MIN_SAMPLES = 80       # a point is 10 ms or more
READ_SAMPLES = 480_000  # at once: a minute, which is 2 MB
FULL_SCALE = 32768


class WaveformView(TypedDict):
    """`callee` and `agent`: the loudest sample in each of as many equal stretches of the recording, 0 to 1."""

    duration_ms: int
    callee: list[float]
    agent: list[float]


def waveform(recording: Path) -> WaveformView:
    """Of a recording that is whole; from the file beside it, if that is of the same recording. Blocks.

    Raises OSError or ValueError when it can't be read or isn't a recording of ours.
    """
    size = recording.stat().st_size
    kept = recording.with_suffix(".waveform.json")
    known = _kept(kept, size)
    if known is not None:
        return known
    made = peaks(recording)
    _keep(kept, {"size": size, "waveform": made})
    return made


def peaks(recording: Path, points: int = MAX_POINTS) -> WaveformView:
    """Raises OSError, or ValueError for what isn't a stereo WAV file of 16 bits."""
    try:
        with wave.open(str(recording)) as file:
            if (file.getnchannels(), file.getsampwidth(), file.getframerate()) != (
                CHANNELS, SAMPLE_BYTES, SAMPLE_RATE_HZ,
            ):  # fmt: skip
                raise ValueError("not a recording of Outdial")
            total = file.getnframes()
            stretch = max(MIN_SAMPLES, -(-total // points))
            loudest = [_loudest(samples, stretch) for samples in _read(file, stretch)]
    except (wave.Error, EOFError) as error:
        raise ValueError("not a WAV file") from error
    both = np.concatenate(loudest) if loudest else np.zeros((0, CHANNELS))
    callee, agent = (np.round(both[:, channel] / FULL_SCALE, 3).tolist() for channel in range(CHANNELS))
    return WaveformView(duration_ms=total * 1000 // SAMPLE_RATE_HZ, callee=callee, agent=agent)


def _read(file: wave.Wave_read, stretch: int) -> Any:
    """Samples of both channels, whole stretches at a time."""
    at_once = max(1, READ_SAMPLES // stretch) * stretch
    while block := file.readframes(at_once):
        whole = len(block) - len(block) % (CHANNELS * SAMPLE_BYTES)
        yield np.frombuffer(block[:whole], dtype="<i2").reshape(-1, CHANNELS)


def _loudest(samples: Any, stretch: int) -> Any:
    """The peak of each stretch; the last one may be shorter."""
    magnitudes = np.abs(samples.astype(np.int32))
    return np.maximum.reduceat(magnitudes, np.arange(0, len(magnitudes), stretch), axis=0)


def _kept(path: Path, size: int) -> WaveformView | None:
    try:
        content = json.loads(path.read_bytes())
        if content["size"] == size:
            return cast(WaveformView, content["waveform"])
    except (OSError, ValueError, TypeError, KeyError):
        pass  # none there, or one that isn't ours: it is made anew
    return None


def _keep(path: Path, content: dict[str, Any]) -> None:
    """Whole or not at all: several processes may do this at once."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}")
        try:
            with os.fdopen(handle, "w") as file:
                json.dump(content, file, separators=(",", ":"))
            os.replace(name, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(name)
            raise
    except OSError as error:
        logger.warning("Waveform not kept", extra={"file": path.name, "error": type(error).__name__})
