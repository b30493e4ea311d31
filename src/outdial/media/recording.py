"""The recording of a call: a WAV file, PCM16 at 8000 Hz, callee left, agent right, both on the call clock.

It grows on disk while the call lasts, as `<name>.part`, and gets its name when it is closed: a file that has
its name is whole. The header is corrected with every flush, so a process that dies leaves a file that
plays up to its last flush; `repair` gives it its name and the little that the header doesn't count yet.
"""

import logging
import struct
from collections.abc import Callable
from io import FileIO
from pathlib import Path

import numpy as np

from outdial.media.frames import BYTES_PER_MS, SAMPLE_RATE_HZ

logger = logging.getLogger(__name__)

CHANNELS = 2
SAMPLE_BYTES = 2
BLOCK_BYTES = CHANNELS * SAMPLE_BYTES  # one sample of each channel
HEADER_BYTES = 44

JITTER_MS = 60  # audio this near to the end of what is there belongs to it: networks deliver unevenly
MARGIN_MS = 250  # not yet written at a flush: the callee's audio may come late, the agent's be taken back
MAX_AHEAD_MS = 30_000  # of what is on disk; a carrier's wrong timestamp must not fill the memory with silence
WRITE_MS = 10_000  # at once, so that a long silence needs no more memory than a short one


class Recording:
    """One call being recorded. Times are milliseconds on the call clock (since the media stream began).

    `callee` and `agent` only append to a buffer, a microsecond each; call `flush` about once a second, which
    keeps the buffers to a second or two. No method raises for a full or broken disk: the call goes on
    without its recording, and the log says so once.
    """

    def __init__(self, path: Path) -> None:
        """`path` is the finished file's; its directory is created."""
        self.path = path
        self.broken = False
        self._part = path.with_name(path.name + ".part")
        self._file: FileIO | None = None
        self._closed = False
        self._attempt(self._open)
        self._written_ms = 0  # both channels, on disk
        self._callee = bytearray()  # what follows that
        self._agent = bytearray()

    def callee(self, at_ms: int, pcm: bytes) -> None:
        """The callee's audio that began at `at_ms`. Within JITTER_MS of the end of what is there it is
        appended; after a longer gap, silence fills that; what would overlap more is dropped, for it can
        only be a second take of a time already told."""
        self._place(self._callee, at_ms, pcm)

    def agent(self, at_ms: int, pcm: bytes) -> None:
        """The agent's audio that is to be heard from `at_ms` on, which may be ahead of now. As `callee`."""
        self._place(self._agent, at_ms, pcm)

    def truncate_agent(self, at_ms: int) -> None:
        """The carrier dropped what it had buffered: the agent wasn't heard after `at_ms`."""
        del self._agent[max(0, at_ms - self._written_ms) * BYTES_PER_MS :]

    def flush(self, now_ms: int) -> None:
        """Write what can't change any more: all until MARGIN_MS before `now_ms`."""
        self._write_until(now_ms - MARGIN_MS)

    def close(self, at_ms: int) -> Path:
        """End both channels at `at_ms` and give the file its name; returns that (there is nothing under it
        when the disk failed). Later calls do nothing."""
        if not self._closed:
            self._write_until(at_ms)
            self._closed = True
            if self._file is not None:
                self._file.close()
                self._attempt(self._part.replace, self.path)
                if self.broken and is_empty(self._part):  # the disk was full from the first byte on
                    self._part.unlink(missing_ok=True)
        return self.path

    def _place(self, channel: bytearray, at_ms: int, pcm: bytes) -> None:
        end_ms = self._written_ms + len(channel) // BYTES_PER_MS
        gap_ms = at_ms - end_ms
        if gap_ms > JITTER_MS:
            if at_ms - self._written_ms > MAX_AHEAD_MS:
                return
            channel += bytes(gap_ms * BYTES_PER_MS)
        elif gap_ms < -JITTER_MS or len(channel) > MAX_AHEAD_MS * BYTES_PER_MS:
            return
        channel += pcm if len(pcm) % SAMPLE_BYTES == 0 else pcm[:-1]

    def _write_until(self, until_ms: int) -> None:
        while self._written_ms < until_ms and not self._closed:
            count_ms = min(until_ms - self._written_ms, WRITE_MS)
            both = np.zeros((count_ms * SAMPLE_RATE_HZ // 1000, CHANNELS), dtype="<i2")
            for column, channel in enumerate((self._callee, self._agent)):
                samples = np.frombuffer(channel[: count_ms * BYTES_PER_MS], dtype="<i2")
                both[: len(samples), column] = samples
                del channel[: count_ms * BYTES_PER_MS]
            self._written_ms += count_ms
            self._attempt(self._append, both.tobytes())

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = FileIO(self._part, "wb")
        self._file.write(_header(0))

    def _append(self, blocks: bytes) -> None:
        assert self._file is not None
        self._file.seek(HEADER_BYTES + self._written_ms * BYTES_PER_MS * CHANNELS - len(blocks))
        self._file.write(blocks)
        self._file.seek(0)
        self._file.write(_header(self._written_ms * BYTES_PER_MS * CHANNELS))

    def _attempt(self, write: Callable[..., object], *arguments: object) -> None:
        if self.broken:
            return
        try:
            write(*arguments)
        except OSError as error:
            self.broken = True
            logger.error("Recording stopped", extra={"file": self.path.name, "error": type(error).__name__})


def repair(path: Path) -> Path:
    """Finish a recording whose process died: `path` is what it left, `<name>.part`. Returns the finished
    file's path; raises ValueError when it isn't one of our files. Harmless on a whole file."""
    make_whole(path)
    return path.replace(path.with_suffix("")) if path.suffix == ".part" else path


def make_whole(path: Path) -> None:
    """The part of `repair` that leaves the file its name."""
    with path.open("r+b") as file:
        begin = file.read(HEADER_BYTES)
        if len(begin) < HEADER_BYTES or begin[:4] + begin[8:40] != _header(0)[:4] + _header(0)[8:40]:
            raise ValueError("not a recording of Outdial")
        blocks = (path.stat().st_size - HEADER_BYTES) // BLOCK_BYTES
        file.truncate(HEADER_BYTES + blocks * BLOCK_BYTES)
        file.seek(0)
        file.write(_header(blocks * BLOCK_BYTES))


def is_empty(part: Path) -> bool:
    """Whether nothing was recorded in what a process left, because it died or its disk was full before the first
    flush. A file that isn't ours is not. False also when there is no such file (any more)."""
    try:
        with part.open("rb") as file:
            begin = file.read(HEADER_BYTES + 1)
    except FileNotFoundError:
        return False
    zeros = bytes(len(begin))  # what a power failure makes of bytes that weren't on the disk yet
    return len(begin) <= HEADER_BYTES and begin in (_header(0)[: len(begin)], zeros)


def _header(data_bytes: int) -> bytes:
    """RIFF with a `fmt ` chunk of 16 bytes (format 1, PCM) and the `data` chunk."""
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF", HEADER_BYTES - 8 + data_bytes, b"WAVE",
        b"fmt ", 16, 1, CHANNELS, SAMPLE_RATE_HZ, SAMPLE_RATE_HZ * BLOCK_BYTES, BLOCK_BYTES, 8 * SAMPLE_BYTES,
        b"data", data_bytes,
    )  # fmt: skip
