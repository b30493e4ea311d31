"""Notices an agent's code that keeps the event loop to itself (`time.sleep`, a blocking client, a long calculation):
all calls of the process stand still meanwhile, so the log names it, with its line.
"""

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

logger = logging.getLogger(__name__)

BEAT_S = 0.1
LATE_S = (0.25, 5.0)  # told at these; callees hear the first one as a stutter

_OURS = str(Path(__file__).parents[2])


class BlockingWatch:
    """A thread that looks at the event loop's, which can't look itself. `files`: the agents' names by their files."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = files
        self._beat_at = time.monotonic()
        self._over = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """On the event loop that is watched."""
        loop = asyncio.get_running_loop()
        thread = threading.Thread(
            target=self._watch, args=(threading.get_ident(),), name="watch for blocking agents", daemon=True
        )
        timer = loop.call_soon(lambda: None)

        def beat() -> None:
            nonlocal timer
            self._beat_at = time.monotonic()
            timer = loop.call_later(BEAT_S, beat)

        beat()
        thread.start()
        try:
            yield
        finally:
            timer.cancel()
            self._over.set()

    def _watch(self, thread: int) -> None:
        told_of, times = self._beat_at, 0
        while not self._over.wait(BEAT_S / 2):
            beat_at = self._beat_at
            if beat_at != told_of:
                told_of, times = beat_at, 0
            late_s = time.monotonic() - beat_at - BEAT_S
            if times < len(LATE_S) and late_s > LATE_S[times] and (place := self._place(thread)):
                times += 1
                file, line = place
                fields = {"agent": self.files.get(file), "file": Path(file).name, "line": line}
                logger.warning("Event loop blocked by agent", extra={**fields, "so_far_s": round(late_s, 2)})

    def _place(self, thread: int) -> tuple[str, int] | None:
        """Where an agent is that runs just now; None when none does, or what runs is ours."""
        frame: FrameType | None = sys._current_frames().get(thread)
        while frame is not None:
            if (file := frame.f_code.co_filename) in self.files:
                return file, frame.f_lineno
            if file.startswith(_OURS):
                return None
            frame = frame.f_back
        return None
