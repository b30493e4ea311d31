"""What the detector gets of an opening: windows of voice, tones, words. Made once by the models, kept in a folder, and
judged from there in milliseconds.
"""

import base64
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from bench.answers.corpus import Opening
from outdial.conversation.detection.heard import Heard, Window, Words
from outdial.conversation.detection.recorded_audio import heard_in
from outdial.conversation.detection.talk import WINDOW_MS, Span
from outdial.media.tone_tracker import Tone, ToneKind
from outdial.speech.offline import recognise

FULL_RANGE_DB = 100.0


def stored_stream(opening: Opening, folder: Path) -> dict[str, Any]:
    """The stream of an opening, with what is known of it; made when it isn't there yet."""
    path = folder / f"{opening.name}.json"
    if path.is_file():
        return dict(json.loads(path.read_text()))
    stored = packed(opening, list(heard_in(opening.pcm, recognise)))
    folder.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(stored))
    new.replace(path)
    return stored


def packed(opening: Opening, heard: list[Heard]) -> dict[str, Any]:
    windows = [one for one in heard if isinstance(one, Window)]
    voice = np.array([round(255 * one.voice) for one in windows], dtype=np.uint8)
    level = [FULL_RANGE_DB + 10 * math.log10(max(one.power, 1e-10)) for one in windows]
    return _facts(opening) | {
        "voice": base64.b64encode(voice.tobytes()).decode(),
        "level": base64.b64encode(np.clip(np.round(np.array(level) * 2.5), 0, 255).astype(np.uint8).tobytes()).decode(),
        "tones": [_tone(at_ms, one) for at_ms, one in _with_times(heard) if isinstance(one, Tone)],
        "words": [[one.at_ms, one.span.start_ms, one.span.end_ms, one.text] for one in heard if isinstance(one, Words)],
    }


def unpacked(stored: dict[str, Any]) -> list[Heard]:
    """In the order of the call clock."""
    voice = np.frombuffer(base64.b64decode(stored["voice"]), dtype=np.uint8) / 255
    level = np.frombuffer(base64.b64decode(stored["level"]), dtype=np.uint8) / 2.5 - FULL_RANGE_DB
    heard: list[tuple[int, Heard]] = []
    for place, (one, db) in enumerate(zip(voice.tolist(), level.tolist(), strict=True)):
        at_ms = (place + 1) * WINDOW_MS
        heard.append((at_ms, Window(at_ms=at_ms, voice=one, power=10 ** (db / 10))))
    for at_ms, kind, start_ms, end_ms, hz, key in stored["tones"]:
        heard.append((at_ms, Tone(kind=ToneKind(kind), start_ms=start_ms, end_ms=end_ms, hz=tuple(hz), key=key)))
    for at_ms, start_ms, end_ms, text in stored["words"]:
        heard.append((at_ms, Words(at_ms=at_ms, span=Span(start_ms=start_ms, end_ms=end_ms), text=text)))
    return [one for _, one in sorted(heard, key=lambda pair: pair[0])]


def _with_times(heard: list[Heard]) -> list[tuple[int, Heard]]:
    """A tone comes with the window in which it became known."""
    at_ms, timed = 0, []
    for one in heard:
        at_ms = one.at_ms if isinstance(one, Window) else at_ms
        timed.append((at_ms, one))
    return timed


def _tone(at_ms: int, tone: Tone) -> list[Any]:
    return [at_ms, str(tone.kind), tone.start_ms, tone.end_ms, list(tone.hz), tone.key]


def _facts(opening: Opening) -> dict[str, Any]:
    facts = asdict(opening)
    del facts["pcm"]
    return facts | {"duration_ms": opening.duration_ms}
