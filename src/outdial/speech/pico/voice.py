"""Pico as an engine of calls. Source: the package py-nanotts, Apache-2.0, with six voices' data in it (SVOX's, as
Android had them), 8 MB; it opens no connection."""

import asyncio
import importlib.metadata
import importlib.util
import json
import logging
import re
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from queue import LifoQueue

import numpy as np
import soxr

from outdial.media.frames import BYTES_PER_MS, SAMPLE_RATE_HZ
from outdial.speech.base import SpeechUnavailable, base_of
from outdial.speech.levelling import as_wave, even_out
from outdial.speech.load import cores, speakers
from outdial.speech.spoken_text import spoken

logger = logging.getLogger(__name__)

PACKAGE = "py-nanotts"
VOICES = {"de": "de-DE", "fr": "fr-FR", "es": "es-ES", "it": "it-IT"}  # its English ones are worse than Hibari
RATE_HZ = 16_000
PAUSE_MS = 220       # between two sentences
START_S = 10.0       # for a process to be ready
WITHIN_S = 2.0       # for a sentence; it takes a hundredth of what it lasts, on a busy machine a tenth
TURN_S = 5.0         # with those of other calls that came before it
MOST_BYTES = 60 * RATE_HZ * 2
CHILD = Path(__file__).with_name("child.py")

MOST_CHARS = 200     # in one go: it reads some 15 a second

_SENTENCES = re.compile(r"(?<=[.!?…])\s+")
_PART = re.compile(rf".{{1,{MOST_CHARS}}}(?:(?<=[,;:])\s|$)|.{{1,{MOST_CHARS}}}(?:\s|$)|.{{1,{MOST_CHARS}}}", re.DOTALL)
_MARKUP = str.maketrans("<>", "  ")  # it takes tags for orders, one of which plays files, and another one writes them


class PicoTextToSpeech:
    """One of its voices; shared by all calls. A TextToSpeech."""

    def __init__(self, language: str, processes: "PicoProcesses") -> None:
        """`language`: one of VOICES."""
        self._voice = VOICES[language]
        self._processes = processes
        self.name = f"{PACKAGE} {importlib.metadata.version(PACKAGE)} {self._voice}"

    async def speak(self, text: str) -> AsyncIterator[bytes]:
        """A piece for each sentence. Raises SpeechUnavailable."""
        first = True
        for sentence in sentences(text):
            pcm = await self._processes.say(self._voice, sentence)
            if pcm:
                yield pcm if first else bytes(PAUSE_MS * BYTES_PER_MS) + pcm
                first = False


class PicoProcesses:
    """Those that speak at once for all calls, with a thread each."""

    def __init__(self, most: int, start: Callable[[], "PicoProcess"] | None = None) -> None:
        self._threads = ThreadPoolExecutor(most, thread_name_prefix="pico")
        self._free: LifoQueue[PicoProcess] = LifoQueue()  # the last one first: those that nobody needs never start
        for _ in range(most):
            self._free.put((start or PicoProcess)())

    async def say(self, voice: str, sentence: str) -> bytes:
        """As PicoProcess.say. Raises SpeechUnavailable, too, where others are said before it for too long."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(TURN_S):
                return await loop.run_in_executor(self._threads, self._said, voice, sentence)
        except TimeoutError as error:
            raise SpeechUnavailable("the offline voice of this language has too much to say") from error

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)
        while not self._free.empty():
            self._free.get_nowait().close()

    def _said(self, voice: str, sentence: str) -> bytes:
        process = self._free.get_nowait()  # there are as many as threads
        try:
            return process.say(voice, sentence)
        finally:
            self._free.put(process)


class PicoProcess:
    """A child, started when it is first asked, and again when it has died. For one thread."""

    def __init__(self, command: tuple[str, ...] = (sys.executable, "-I", str(CHILD))) -> None:
        self._command = command
        self._child: subprocess.Popen[bytes] | None = None

    def say(self, voice: str, sentence: str) -> bytes:
        """PCM16 at 8000 Hz, b"" for what can't be said. Raises SpeechUnavailable. A sentence that takes too long isn't
        tried again: other calls wait."""
        for last in (False, True):
            try:
                pcm = self._asked(json.dumps({"voice": voice, "text": sentence}).encode() + b"\n")
            except OSError as error:
                self.close()
                if last or isinstance(error, TimeoutError):
                    raise SpeechUnavailable("the offline voice of this language doesn't answer") from error
                logger.warning("Offline voice restarted", extra={"voice": voice})
                continue
            return even_out(soxr.resample(as_wave(np.frombuffer(pcm, dtype="<i2")), RATE_HZ, SAMPLE_RATE_HZ))
        raise AssertionError("unreachable")

    def close(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.communicate()

    def _asked(self, line: bytes) -> bytes:
        """Raises OSError; TimeoutError where it took too long."""
        if self._child is None:
            # Ctrl-C is for us alone: calls go on while the server drains.
            self._child = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
            )
            _answer(self._child, b"", START_S)
        return _answer(self._child, line, WITHIN_S)


def _answer(child: subprocess.Popen[bytes], line: bytes, within_s: float) -> bytes:
    """Raises OSError; TimeoutError where it took too long, and then the child is killed."""
    assert child.stdin is not None
    assert child.stdout is not None
    is_late = threading.Event()

    def give_up() -> None:
        is_late.set()
        child.kill()

    too_late = threading.Timer(within_s, give_up)
    too_late.start()
    try:
        child.stdin.write(line)
        child.stdin.flush()
        length = child.stdout.read(4)
        size = int.from_bytes(length, "big")
        pcm = child.stdout.read(size) if len(length) == 4 and size <= MOST_BYTES else b""
        if len(length) < 4 or len(pcm) < size:
            raise TimeoutError if is_late.is_set() else OSError("its process ended")
        return pcm
    finally:
        too_late.cancel()


def sentences(text: str) -> list[str]:
    """What is said in one go each, without tags, whichever characters they are written in."""
    parts = [part for one in _SENTENCES.split(spoken(spoken(text).translate(_MARKUP))) for part in _PART.findall(one)]
    return [part.strip() for part in parts if any(char.isalnum() for char in part)]


def speaks(language: str) -> bool:
    """Whether there is a voice for this language (a BCP 47 tag), without loading anything."""
    return base_of(language) in VOICES and importlib.util.find_spec("py_nanotts") is not None


def offline_voice(language: str) -> PicoTextToSpeech | None:
    """Of the process; None where it has none for this language."""
    return _voice(base_of(language)) if speaks(language) else None


@cache
def _processes() -> PicoProcesses:
    return PicoProcesses(speakers(cores()))


@cache
def _voice(language: str) -> PicoTextToSpeech:
    return PicoTextToSpeech(language, _processes())
