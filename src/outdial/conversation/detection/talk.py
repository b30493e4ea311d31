"""When the near voice spoke, from the first window of a call on. Pure.

Only the near voice counts: what is well below the loudest of late is a television, or people in the same room. That is
judged anew each time, for who is near is known only once they have spoken.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

WINDOW_MS = 32
VOICE = 0.5          # probability from which on a window is a voice's
BEHIND_DB = 19.0     # and more below the loudest: somebody else's
SPAN_BEHIND_DB = 12.0  # … and at its loudest, all that is said between two pauses
LOUDEST_MS = 7000    # "of late"
LOUD_DB = 9.0        # … but whatever is so near the loudest is the same voice
SYLLABLE = 5         # windows over which levels are averaged
JOINED_MS = 200      # a shorter pause is none
APART_MS = 250       # from the near voice: what is as soft and nearer may be its own end
LEAST_MS = 80        # of a voice; a click is shorter
LONGEST_MS = 60_000  # of a call that is looked at
FIRST_WINDOWS = 256  # there is room for, at first


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Of the call clock, in which somebody near spoke."""

    start_ms: int
    end_ms: int

    @property
    def duration_ms(self) -> int:
        return self.end_ms - self.start_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """What the near voice has done by `now_ms`. `from_ms`: when the audio began. `behind_ms`: how long something
    softer was heard, be it its own soft syllables; `apart_ms`: … while it paused, so that somebody further away spoke.
    `level_dbfs` of the near voice, -100 where there was none; `loud_until_ms`: when it was last heard at about its
    loudest; `voice_until_ms`: when any voice was, however soft."""

    now_ms: int
    spans: tuple[Span, ...]
    behind_ms: int
    level_dbfs: float
    apart_ms: int = 0
    loud_until_ms: int | None = None
    voice_until_ms: int = 0
    from_ms: int = 0

    @property
    def heard_ms(self) -> int:
        """How much has been heard: the first audio may come long after the call clock's start."""
        return self.now_ms - self.from_ms

    @property
    def loud_quiet_ms(self) -> int:
        """Since the near voice was heard at about its loudest: what goes on may be somebody else."""
        return 0 if self.loud_until_ms is None else max(0, self.now_ms - self.loud_until_ms)

    @property
    def voice_quiet_ms(self) -> int:
        """Since any voice was heard."""
        return max(0, self.now_ms - self.voice_until_ms)

    @property
    def onset_ms(self) -> int | None:
        return self.spans[0].start_ms if self.spans else None

    @property
    def total_ms(self) -> int:
        return sum(span.duration_ms for span in self.spans)

    @property
    def quiet_ms(self) -> int:
        """Since the near voice was heard last, or since the audio began."""
        return max(0, self.now_ms - (self.spans[-1].end_ms if self.spans else 0))

    def runs(self, pause_ms: int) -> list[Span]:
        """What was said without a pause of that length."""
        runs: list[Span] = []
        for span in self.spans:
            if runs and span.start_ms - runs[-1].end_ms < pause_ms:
                runs[-1] = Span(start_ms=runs[-1].start_ms, end_ms=span.end_ms)
            else:
                runs.append(span)
        return runs


class Talk:
    """One call's windows, in the order in which they came."""

    def __init__(self) -> None:
        self._count = 0
        self._voice = np.empty(FIRST_WINDOWS, dtype=np.float32)
        self._power = np.empty(FIRST_WINDOWS, dtype=np.float64)
        self._end_ms = np.empty(FIRST_WINDOWS, dtype=np.int64)
        self._from_ms: int | None = None
        self._spoken: Spoken | None = None  # of these windows, once somebody has asked

    def window(self, at_ms: int, voice: float, power: float) -> None:
        """One window, heard until `at_ms`. `voice`: the probability of one; `power` relative to full scale."""
        if self._from_ms is None:
            self._from_ms = at_ms - WINDOW_MS
        if at_ms > LONGEST_MS:
            return
        place, self._count, self._spoken = self._count, self._count + 1, None
        if place == len(self._voice):
            self._voice, self._power = _longer(self._voice), _longer(self._power)
            self._end_ms = _longer(self._end_ms)
        self._voice[place], self._power[place], self._end_ms[place] = voice, power, at_ms

    def spoken(self, now_ms: int) -> Spoken:
        """As of the windows so far; made once for each of them, however often it is asked for."""
        if self._spoken is None:
            self._spoken = self._of_windows(now_ms)
        if self._spoken.now_ms == now_ms:
            return self._spoken
        return replace(self._spoken, now_ms=now_ms, from_ms=now_ms if self._from_ms is None else self._from_ms)

    def _of_windows(self, now_ms: int) -> Spoken:
        from_ms = now_ms if self._from_ms is None else self._from_ms
        voiced = self._voice[: self._count] >= VOICE
        ends = self._end_ms[: self._count]
        if not voiced.any():
            return Spoken(now_ms=now_ms, spans=(), behind_ms=0, level_dbfs=-100.0, from_ms=from_ms)
        level = _levels(self._power[: self._count], voiced)
        of_late = level[voiced & (ends > ends[-1] - LOUDEST_MS)]
        loudest = float((of_late if len(of_late) else level[voiced]).max())
        near = voiced & (level > loudest - BEHIND_DB)
        spans = _spans(ends, near)
        loud = tuple(span for span in spans if _peak(span, ends, level, near) > loudest - SPAN_BEHIND_DB)
        behind_ms = int(np.count_nonzero(voiced & ~near)) * WINDOW_MS
        behind_ms += sum(span.duration_ms for span in spans) - sum(span.duration_ms for span in loud)
        loud_until_ms = int(ends[near & (level > loudest - LOUD_DB)][-1])
        return Spoken(
            now_ms=now_ms,
            spans=loud,
            behind_ms=behind_ms,
            level_dbfs=loudest,
            apart_ms=_apart_ms(ends[voiced], loud),
            loud_until_ms=loud_until_ms,
            voice_until_ms=int(ends[voiced][-1]),
            from_ms=from_ms,
        )


def _longer(windows: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate((windows, np.empty_like(windows)))


def _peak(span: Span, ends: NDArray[np.int64], level: NDArray[np.float64], near: NDArray[np.bool_]) -> float:
    first, last = np.searchsorted(ends, (span.start_ms + 1, span.end_ms + 1))
    return float(level[first:last][near[first:last]].max(initial=-100.0))


def _apart_ms(ends: NDArray[np.int64], spans: Sequence[Span]) -> int:
    """Of windows of a voice, how many are far from all of the near one's."""
    apart = np.ones(len(ends), dtype=np.bool_)
    for span in spans:
        apart &= (ends <= span.start_ms - APART_MS) | (ends > span.end_ms + APART_MS)
    return int(np.count_nonzero(apart)) * WINDOW_MS


def _levels(power: NDArray[np.float64], voiced: NDArray[np.bool_]) -> NDArray[np.float64]:
    """In dBFS, of the voiced windows around each."""
    around = np.ones(SYLLABLE)
    total = np.convolve(np.where(voiced, power, 0.0), around, mode="same")[: len(power)]
    count = np.convolve(voiced.astype(np.float64), around, mode="same")[: len(power)]
    return np.asarray(10 * np.log10(np.maximum(total / np.maximum(count, 1), 1e-10)))


def _spans(ends: NDArray[np.int64], near: NDArray[np.bool_]) -> tuple[Span, ...]:
    joined: list[list[int]] = []
    for end in ends[near].tolist():
        if joined and end - WINDOW_MS - joined[-1][1] < JOINED_MS:
            joined[-1][1] = end
        else:
            joined.append([end - WINDOW_MS, end])
    return tuple(Span(start_ms=start, end_ms=end) for start, end in joined if end - start >= LEAST_MS)
