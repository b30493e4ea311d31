"""A cache of spoken text: what an agent says in every call is synthesised once.

    <directory>/<2 hex digits>/<sha256>.pcm

The key is the SHA-256 of a format version, the engine's name (engine, version, voice) and the text. A file
is raw audio as it is everywhere in Outdial (PCM16, 8 kHz, media.frames), behind a header of magic and
length that tells a whole file from a torn one. PCM and not mu-law frames, because the carrier decides about
the encoding and converting a frame takes a microsecond.

Files appear by rename, so any number of processes can share the directory. Neither the text nor anything
of the callee can be read from a name, but the audio itself says what was said: the directory is as private
as the recordings.
"""

import asyncio
import hashlib
import logging
import os
import struct
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

from cachetools import LRUCache

from outdial.background import Background
from outdial.media.frames import BYTES_PER_MS
from outdial.speech.base import TextToSpeech

logger = logging.getLogger(__name__)

FORMAT = "outdial-prompt-1"  # count up when the same engine and text would sound different
MAGIC = b"ODPR"
HEADER = struct.Struct("<4sI")  # magic, bytes of audio

MEMORY_BYTES = 32_000_000  # half an hour of speech
DISK_BYTES = 500_000_000
PIECE_BYTES = 1000 * BYTES_PER_MS


class PromptCache:
    """A TextToSpeech in front of another one. For use on one event loop."""

    def __init__(
        self,
        directory: Path,
        tts: TextToSpeech,
        *,
        max_chars: int = 800,
        memory_bytes: int = MEMORY_BYTES,
        disk_bytes: int = DISK_BYTES,
    ) -> None:
        """Text longer than `max_chars`, as it is read aloud, isn't kept: it is unlikely to be said twice. Creates
        `directory` and deletes the files used longest ago until it holds less than `disk_bytes`, and again whenever a
        tenth of that was added."""
        self.name = tts.name
        self._tts = tts
        self._directory = directory
        self._max_chars = max_chars
        self._memory: LRUCache[str, bytes] = LRUCache(memory_bytes, getsizeof=len)
        self._being_made: dict[str, _Making] = {}
        self._background = Background()
        self._disk_bytes = disk_bytes
        self._added_bytes = 0  # since there was room made
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        _prune(directory, disk_bytes)

    async def speak(
        self, text: str, *, cache: bool = True, by: TextToSpeech | None = None
    ) -> AsyncGenerator[bytes]:
        """As TextToSpeech.speak. `cache=False` is for text that only one person should ever hear. `by`: another voice
        than the one behind it, whose prompts are kept beside that one's."""
        tts = by or self._tts
        if not cache or len(text) > self._max_chars:
            async for piece in tts.speak(text):
                yield piece
            return
        key = self.key(text, tts)
        pcm = self._memory.get(key)
        if pcm is not None:
            for piece in _pieces(pcm):
                yield piece
            return
        making = self._being_made.get(key)
        if making is None:
            making = self._being_made[key] = _Making()
            work = self._make(key, text, making, tts)
            making.run(self._background, work, on_end=lambda: self._being_made.pop(key))
        async with aclosing(making.listen()) as pieces:
            async for piece in pieces:
                yield piece

    def key(self, text: str, by: TextToSpeech | None = None) -> str:
        parts = (FORMAT, (by or self._tts).name, text)
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()

    async def _make(self, key: str, text: str, making: "_Making", tts: TextToSpeech) -> None:
        pcm = await asyncio.to_thread(_read, self._path(key))
        if pcm is not None:
            for piece in _pieces(pcm):
                making.add(piece)
            self._remember(key, pcm)
            return
        async for piece in tts.speak(text):
            making.add(piece)
        pcm = b"".join(making.pieces)
        self._remember(key, pcm)
        try:
            await asyncio.to_thread(_write, self._path(key), pcm)
        except OSError as error:  # a full disk must not end a call
            logger.warning("Prompt not stored", extra={"error": type(error).__name__})
            return
        self._added_bytes += HEADER.size + len(pcm)
        if self._added_bytes > self._disk_bytes // 10:
            self._added_bytes = 0
            await asyncio.to_thread(_prune, self._directory, self._disk_bytes)

    def _path(self, key: str) -> Path:
        return self._directory / key[:2] / f"{key}.pcm"

    def _remember(self, key: str, pcm: bytes) -> None:
        with suppress(ValueError):  # larger than all the memory
            self._memory[key] = pcm


class PromptsBy:
    """A TextToSpeech of another voice than the one behind a cache, whose prompts are kept there, too."""

    def __init__(self, prompts: PromptCache, voice: TextToSpeech) -> None:
        self.name = voice.name
        self._prompts = prompts
        self._voice = voice

    def speak(self, text: str) -> AsyncGenerator[bytes]:
        return self._prompts.speak(text, by=self._voice)


class _Making:
    """A prompt on its way from disk or engine. It is made at its own pace and to its end, whoever listens:
    a listener that waits for a phone to play, or that is interrupted, must not hold up the others."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def run(
        self, background: Background, work: Coroutine[Any, Any, None], *, on_end: Callable[[], object]
    ) -> None:
        def end(task: asyncio.Task[None]) -> None:
            on_end()
            self._wake()
            if not task.cancelled() and (error := task.exception()) is not None:
                logger.warning("Prompt synthesis failed", extra={"error": type(error).__name__})

        self._task = background.start(work, name="prompt", awaited=True)
        self._task.add_done_callback(end)

    def add(self, piece: bytes) -> None:
        self.pieces.append(piece)
        self._wake()

    async def listen(self) -> AsyncGenerator[bytes]:
        """From the first piece; raises what the engine raised, once its good pieces are through."""
        assert self._task is not None
        heard = 0
        while True:
            changed = self._changed
            while heard < len(self.pieces):
                yield self.pieces[heard]
                heard += 1
            if self._task.done():
                self._task.result()
                return
            if changed is self._changed:
                await changed.wait()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def _pieces(pcm: bytes) -> Iterator[bytes]:
    for start in range(0, len(pcm), PIECE_BYTES):
        yield pcm[start : start + PIECE_BYTES]


def _read(path: Path) -> bytes | None:
    """The audio; None when there is none or the file is damaged (it is then written anew)."""
    try:
        content = path.read_bytes()
        os.utime(path)  # "used last", for _prune
    except OSError:
        return None
    if len(content) < HEADER.size:
        return None
    magic, size = HEADER.unpack_from(content)
    if magic != MAGIC or size != len(content) - HEADER.size or size % 2:
        logger.warning("Prompt file damaged; made anew", extra={"file": path.name})
        return None
    return content[HEADER.size :]


def _write(path: Path, pcm: bytes) -> None:
    path.parent.mkdir(exist_ok=True, mode=0o700)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(HEADER.pack(MAGIC, len(pcm)))
            file.write(pcm)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _prune(directory: Path, disk_bytes: int) -> None:
    """Delete what a killed process left half written, then what was used longest ago. Another process may
    be doing the same: a file that is gone is what both want."""
    files = []
    for path in directory.glob("??/*"):
        with suppress(OSError):
            status = path.stat()
            if path.suffix == ".tmp":
                if status.st_mtime < time.time() - 3600:  # younger, it may still be being written
                    path.unlink()
                continue
            files.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= disk_bytes:
            break
        with suppress(OSError):
            path.unlink()
        total -= size
