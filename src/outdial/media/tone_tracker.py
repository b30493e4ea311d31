"""The tones of a line, by the call clock: beeps, keys, fax machines, and the network's own. Pure.

A beep is a tone of its own: nothing like a melody is around it, 150 ms without a tone follow, it doesn't die away as a
struck note does, and it has no octave. So neither music nor a sung word is one.

Sources: ITU-T E.180 and its supplement 2 (busy, ringback, special information tones), ITU-T T.30 (fax CNG and CED),
ITU-T Q.23 (keys).
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

import numpy as np

from outdial.media.frames import BYTES_PER_MS, FRAME_MS, FRAME_SAMPLES
from outdial.media.tonal_windows import WINDOW_SAMPLES, TonalWindow, tonal_windows
from outdial.media.tones import DTMF_COLUMNS_HZ, DTMF_KEYS, DTMF_ROWS_HZ


class ToneKind(StrEnum):
    BEEP = "beep"
    SIT = "sit"            # special information tone: three notes before the network says why it can't connect
    FAX = "fax"
    BUSY = "busy"
    RINGBACK = "ringback"
    KEY = "key"            # DTMF


@dataclass(frozen=True, slots=True, kw_only=True)
class Tone:
    """`end_ms` is when it was heard last: a long one is told while it goes on. `key`: of a DTMF tone."""

    kind: ToneKind
    start_ms: int
    end_ms: int
    hz: tuple[float, ...]
    key: str | None = None


LEAST_MS, LEAST_WINDOWS = 80, 4  # of a tone, in windows that are wholly of it; the tone itself is longer
BEEP_MS = (90, 1400)
BEEP_HZ = (430.0, 2900.0)
RINGBACK_HZ, RINGBACK_MS = (390.0, 490.0), 1400  # below a beep's frequencies, half of that
BELOW_BEEP_MS = 700
CED_HZ, CED_MS = (2070.0, 2130.0), 1500
CNG_HZ, CNG_MS, CNG_EVERY_MS = (1060.0, 1140.0), (350, 650), (3000, 4000)
SIT_HZ = ((900.0, 1000.0), (1340.0, 1450.0), (1740.0, 1810.0))
SIT_MS, BETWEEN_NOTES_MS = (150, 500), 150
BUSY_HZ = (480.0, 620.0)
BUSY_MS = (180, 600)    # each burst, and each pause between two
QUIET_AFTER_MS = 150    # after a beep
MELODY_MS, MELODY_TONES = 2000, 2  # so many other tones, so long before: a melody; …
NEAR_MS = 250           # … and one that is as near
GAP_FRAMES = 3          # a lost frame ends no tone
STEADY = 0.03           # of its frequency, how much a tone that doesn't glide may vary
WAVERS = 0.08
STEP = 0.025            # … from one window to the next; …
PURE_STEP = 0.06        # … of a pure one, which may glide
PURE_GLIDE, GLIDE_WINDOWS, MOSTLY_ONE_WAY = 0.9, 8, 0.85
LONG_MS, PURE_SHORT = 260, 0.88  # a shorter tone has nothing beside it
LOW_HZ, LOW_BEEP_MS = 720.0, 160  # voices sing so low, though not for so long
FLAT_DB = 3.0           # how much the level of a tone varies
FADES_DB, PURE_FADES_DB, SURELY_PURE = 3.5, 1.5, 0.95  # from its first third to its last: a note that was struck
OCTAVE = 0.03           # of 2: a note, and its own second harmonic
KEY_TOLERANCE = 0.02


@dataclass(slots=True, kw_only=True, eq=False)
class _Run:
    """Windows in a row that have a tone in common. `at_ms`: the middle of each."""

    at_ms: list[int] = field(default_factory=list)
    hz: list[float] = field(default_factory=list)
    other_hz: list[float] = field(default_factory=list)
    pure: list[float] = field(default_factory=list)
    dbfs: list[float] = field(default_factory=list)
    missed: int = 0
    told: bool = False

    def takes(self, window: TonalWindow, at_ms: int) -> bool:
        step = PURE_STEP if window.pure >= PURE_GLIDE else STEP
        same = [one for one in window.hz if abs(one - self.hz[-1]) <= step * self.hz[-1]] if self.hz else window.hz
        if not same:
            return False
        self.hz.append(same[0])
        self.other_hz += [one for one in window.hz if one is not same[0]]
        self.at_ms.append(at_ms)
        self.pure.append(window.pure)
        self.dbfs.append(window.dbfs)
        self.missed = 0
        return True

    @property
    def start_ms(self) -> int:
        return self.at_ms[0] - FRAME_MS // 2

    @property
    def end_ms(self) -> int:
        return self.at_ms[-1] + FRAME_MS // 2

    @property
    def duration_ms(self) -> int:
        return self.end_ms - self.start_ms

    @property
    def mean_pure(self) -> float:
        inner = self.pure[1:-1]
        return sum(inner) / max(1, len(inner))

    @property
    def fades(self) -> bool:
        """Whether it dies away, as what is struck or plucked does; a beep is as loud at its end."""
        inner = self.dbfs[1:-1]
        third = len(inner) // 3
        if third < 2:
            return False
        least = PURE_FADES_DB if self.mean_pure >= SURELY_PURE else FADES_DB
        return float(np.mean(inner[:third]) - np.mean(inner[-third:])) >= least

    @property
    def frequencies(self) -> tuple[float, ...]:
        """One, or two where most windows had two."""
        main = float(np.median(self.hz))
        if 2 * len(self.other_hz) < len(self.hz):
            return (round(main, 1),)
        return tuple(sorted((round(main, 1), round(float(np.median(self.other_hz)), 1))))

    @property
    def is_tone(self) -> bool:
        """Whether it is steady, or glides one way, at a level of its own: voices do neither for long."""
        if self.duration_ms < LEAST_MS or len(self.hz) < LEAST_WINDOWS:
            return False
        inner = self.dbfs[1:-1]
        if len(inner) >= 2 and float(np.std(inner)) > FLAT_DB:
            return False
        hz = self.hz[1:-1]  # the first and the last window have something else in them
        lowest, highest = min(hz), max(hz)
        if highest - lowest <= STEADY * highest:
            return self.duration_ms >= LONG_MS or self.mean_pure >= PURE_SHORT
        if highest - lowest <= WAVERS * highest and _within(lowest, RINGBACK_HZ):  # two, too near to be told apart
            return self.duration_ms >= BELOW_BEEP_MS and self.mean_pure >= PURE_GLIDE
        glides = abs(hz[-1] - hz[0]) >= MOSTLY_ONE_WAY * float(np.abs(np.diff(hz)).sum())
        return glides and self.mean_pure >= PURE_GLIDE and len(hz) >= GLIDE_WINDOWS


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """A run that was a tone."""

    start_ms: int
    end_ms: int
    hz: tuple[float, ...]

    @property
    def duration_ms(self) -> int:
        return self.end_ms - self.start_ms


class ToneTracker:
    """One direction of a line. About 0.2 ms for 100 ms of audio that isn't silent."""

    def __init__(self) -> None:
        self._pcm = bytearray()
        self._from_ms: int | None = None  # by the call clock, where `_pcm` begins
        self._run: _Run | None = None
        self._heard: deque[_Heard] = deque(maxlen=12)
        self._waits: _Heard | None = None  # may be a beep: what comes after it tells

    @property
    def may_beep(self) -> bool:
        """Whether a tone is on, or has just ended, that may be a beep: what comes next tells."""
        run = self._run
        if run is None or not run.is_tone:
            return self._waits is not None
        return run.duration_ms <= BEEP_MS[1] and _within(run.frequencies[0], BEEP_HZ)

    def feed(self, pcm: bytes, at_ms: int) -> list[Tone]:
        """More audio of any length, heard until `at_ms`; the tones that it completes, or shows to be some."""
        begins_ms = at_ms - len(pcm) // BYTES_PER_MS
        there_ms = len(self._pcm) // BYTES_PER_MS
        if self._from_ms is None or abs(self._from_ms + there_ms - begins_ms) > FRAME_MS * GAP_FRAMES:
            self._pcm.clear()
            self._from_ms = begins_ms
        self._pcm += pcm
        count = len(self._pcm) // (2 * FRAME_SAMPLES) - 1
        if count <= 0:
            return []
        samples = np.frombuffer(bytes(self._pcm), dtype="<i2").astype(np.float32) / np.float32(32768)
        windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW_SAMPLES)[:: FRAME_SAMPLES][:count]
        told = []
        for place, window in enumerate(tonal_windows(windows)):
            told += self._passed(window, self._from_ms + FRAME_MS * (place + 1))
        del self._pcm[: 2 * FRAME_SAMPLES * count]
        self._from_ms += FRAME_MS * count
        return told

    def _passed(self, window: TonalWindow, middle_ms: int) -> list[Tone]:
        """One window more, whose middle is then."""
        run = self._run
        if run is not None and run.takes(window, middle_ms):
            return self._while_on(run)
        told = []
        if run is not None:
            run.missed += 1
            if window.hz or run.missed > GAP_FRAMES:
                told = self._ended(run)
                self._run = None
        if self._run is None and window.hz:
            self._run = _Run()
            self._run.takes(window, middle_ms)
        return told + self._beep_if_alone(middle_ms)

    def _while_on(self, run: _Run) -> list[Tone]:
        """What is told of a tone before it ends."""
        if run.told or not run.is_tone:
            return []
        hz = run.frequencies
        kind = None
        if len(hz) == 1 and _within(hz[0], CED_HZ) and run.duration_ms >= CED_MS:
            kind = ToneKind.FAX
        elif _within(hz[0], RINGBACK_HZ) and run.duration_ms >= (BELOW_BEEP_MS if hz[0] < BEEP_HZ[0] else RINGBACK_MS):
            kind = ToneKind.RINGBACK
        if kind is None:
            return []
        run.told = True
        return [Tone(kind=kind, start_ms=run.start_ms, end_ms=run.end_ms, hz=hz)]

    def _ended(self, run: _Run) -> list[Tone]:
        if not run.is_tone:
            return []
        heard = _Heard(start_ms=run.start_ms, end_ms=run.end_ms, hz=run.frequencies)
        before = self._heard[-1] if self._heard else None
        self._heard.append(heard)
        if run.told:
            return []
        if (key := _key(heard.hz)) is not None:
            return [_tone(ToneKind.KEY, heard, key=key)]
        for kind, is_one in ((ToneKind.SIT, _is_sit), (ToneKind.BUSY, _is_busy), (ToneKind.FAX, _is_cng)):
            if is_one(tuple(self._heard)):
                self._waits = None
                return [_tone(kind, heard)]
        may_be_one = _within(heard.duration_ms, BEEP_MS) and _within(heard.hz[0], BEEP_HZ)
        if not may_be_one or run.fades or _is_octave(heard.hz):
            self._waits = None
        elif (heard.hz[0] < LOW_HZ and heard.duration_ms < LOW_BEEP_MS) or _is_one_of_busy(heard.hz):
            pass
        elif self._waits is None or before is None or not _same(before, heard):
            self._waits = heard
        else:  # a second one like it: a double beep
            self._waits = _Heard(start_ms=before.start_ms, end_ms=heard.end_ms, hz=heard.hz)
        return []

    def _beep_if_alone(self, now_ms: int) -> list[Tone]:
        waits = self._waits
        if waits is None or now_ms - waits.end_ms < QUIET_AFTER_MS:
            return []
        run = self._run
        if run is not None and (run.missed == 0 or run.duration_ms >= LEAST_MS):
            return []  # something goes on: a melody, or a second beep
        self._waits = None
        others = [
            one for one in self._heard
            if one.end_ms >= waits.start_ms - MELODY_MS and one.end_ms < waits.end_ms and not _same(one, waits)
        ]  # fmt: skip
        near = any(one.end_ms >= waits.start_ms - NEAR_MS for one in others)
        return [] if near or len(others) >= MELODY_TONES else [_tone(ToneKind.BEEP, waits)]


def _tone(kind: ToneKind, heard: _Heard, *, key: str | None = None) -> Tone:
    return Tone(kind=kind, start_ms=heard.start_ms, end_ms=heard.end_ms, hz=heard.hz, key=key)


def _within(value: float, bounds: tuple[float, float]) -> bool:
    return bounds[0] <= value <= bounds[1]


def _same(one: _Heard, other: _Heard) -> bool:
    return abs(one.hz[0] - other.hz[0]) <= 2 * STEADY * other.hz[0]


def _key(hz: Sequence[float]) -> str | None:
    if len(hz) != 2:
        return None
    for row_hz, keys in zip(DTMF_ROWS_HZ, DTMF_KEYS, strict=True):
        for column_hz, key in zip(DTMF_COLUMNS_HZ, keys, strict=True):
            if abs(hz[0] / row_hz - 1) <= KEY_TOLERANCE and abs(hz[1] / column_hz - 1) <= KEY_TOLERANCE:
                return key
    return None


def _is_octave(hz: Sequence[float]) -> bool:
    return len(hz) == 2 and abs(hz[1] / hz[0] - 2) <= 2 * OCTAVE


def _is_one_of_busy(hz: Sequence[float]) -> bool:
    return len(hz) == 2 and all(abs(one / known - 1) <= KEY_TOLERANCE for one, known in zip(hz, BUSY_HZ, strict=True))


def _is_sit(heard: Sequence[_Heard]) -> bool:
    """Three notes, each higher, one right after the other."""
    last = heard[-3:]
    if len(last) < 3 or any(later.start_ms - earlier.end_ms > BETWEEN_NOTES_MS for earlier, later in pairwise(last)):
        return False
    notes = zip(last, SIT_HZ, strict=True)
    return all(_within(one.hz[0], hz) and _within(one.duration_ms, SIT_MS) for one, hz in notes)


def _is_busy(heard: Sequence[_Heard]) -> bool:
    """Three bursts of the same, as long as the pauses between them."""
    last = heard[-3:]
    if len(last) < 3 or any(not _same(one, last[-1]) or not _within(one.duration_ms, BUSY_MS) for one in last):
        return False
    pauses = [later.start_ms - earlier.end_ms for earlier, later in pairwise(last)]
    return all(_within(pause, BUSY_MS) for pause in pauses) and max(pauses) - min(pauses) <= 80


def _is_cng(heard: Sequence[_Heard]) -> bool:
    """A second one, as long after the first as a calling fax waits."""
    last = heard[-2:]
    if len(last) < 2 or any(not _within(one.hz[0], CNG_HZ) or not _within(one.duration_ms, CNG_MS) for one in last):
        return False
    return _within(last[1].start_ms - last[0].start_ms, CNG_EVERY_MS)
