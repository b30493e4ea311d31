"""Recordings, wherever they are: on this host's disk, or in a store that every host reads.

A call names its recording by its path under the data directory, wherever it lies: `recordings/<workspace>/<file>.wav`.
In a store it is `<workspace>/<call>/<file>.wav` below the store's URL, so that all of a call's are found at once.
"""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from outdial.media.waveform import WaveformView, peaks, waveform
from outdial.recordings.errors import StoreUnreachable

if TYPE_CHECKING:
    from outdial.recordings.store import Store

T = TypeVar("T")

FOLDER = "recordings"  # under the data directory
WAVEFORM = ".waveform.json"  # beside a recording
# A store that hangs has threads of its own hang: the process's others are what live calls wait for.
ASKING = 8  # for who waits for an answer
MOVING = 4  # for what nobody waits for: a recording on its way in, or gone for good
ANSWER_S = 5.0  # then who waits for it is told; the store's own tries end some time later
PART_BYTES = 256 * 1024  # read at once: who listens slowly, or stands still, holds nothing open at the store
WAVEFORM_BYTES = 4 * 1024 * 1024
WAVEFORM_S = 20.0  # the whole recording is read for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A recording that is there: its size in bytes, and its file on this host; None where only the store has it."""

    size: int
    path: Path | None


class Recordings:
    """Of all hosts, as far as this one can see them. Every method raises StoreUnreachable."""

    def __init__(self, data_dir: Path, url: str | None = None) -> None:
        """`url`: of the store; None: recordings stay on the disk. Raises ValueError for one that is no store's."""
        self.folder = data_dir / FOLDER
        self._data_dir = data_dir
        self._store = None if url is None else _opened(url)
        self._asking = ThreadPoolExecutor(ASKING, thread_name_prefix="recordings-asked")
        self._moving = ThreadPoolExecutor(MOVING, thread_name_prefix="recordings-moved")

    @property
    def in_store(self) -> bool:
        """They go to a store when they are whole."""
        return self._store is not None

    async def find(self, recording: str) -> Kept | None:
        """None where it is neither here nor in the store (yet), or isn't where recordings are."""
        path = self._data_dir / recording
        size = await asyncio.to_thread(_size, self.folder, path)
        if size is not None:
            return Kept(size=size, path=path)
        if self._store is None or (place := _place(recording)) is None:
            return None
        size = await self._ask(self._store.size, place)
        return None if size is None else Kept(size=size, path=None)

    async def read(self, recording: str, first: int, last: int) -> AsyncIterator[bytes]:
        """Bytes `first` to `last`, both included, of one that is in the store. Raises FileNotFoundError."""
        place = _known_place(recording)
        for begin in range(first, last + 1, PART_BYTES):
            yield await self._ask(self._in_store.read, place, begin, min(begin + PART_BYTES - 1, last))

    async def put(self, recording: str) -> bool:
        """Put a whole one into the store; whether all of it is there now. May be done twice, also by two processes at
        once."""
        try:
            return await self._move(self._put, self._data_dir / recording, _known_place(recording))
        except FileNotFoundError:
            return False  # let go of by another process just now

    async def let_go(self, recording: str) -> None:
        """Off this disk, now that the store has it."""
        await asyncio.to_thread(_let_go, self._data_dir / recording)

    async def remove(self, workspace_id: str, call_ids: Collection[str]) -> int:
        """Everything of these calls from the store (this disk's is for whoever writes there); how many files."""
        if self._store is None:
            return 0
        return await self._move(self._remove, workspace_id, call_ids)

    async def waveform(self, recording: str, kept: Kept) -> WaveformView:
        """Made once and kept beside the recording. Raises OSError or ValueError for one that can't be read."""
        if kept.path is not None:
            return await asyncio.to_thread(waveform, kept.path)
        return await self._ask(self._waveform, _known_place(recording), kept.size, within_s=WAVEFORM_S)

    async def probe(self) -> None:
        """Whether the store lets itself be written, read and deleted from."""
        if self._store is not None:
            await self._move(self._store.probe)

    @property
    def _in_store(self) -> "Store":
        assert self._store is not None
        return self._store

    async def _ask(self, work: Callable[..., T], *arguments: object, within_s: float | None = None) -> T:
        """Raises StoreUnreachable also when there is no answer in time."""
        try:
            async with asyncio.timeout(within_s or ANSWER_S):
                return await asyncio.get_running_loop().run_in_executor(self._asking, work, *arguments)
        except TimeoutError:
            raise StoreUnreachable("no answer in time") from None

    async def _move(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._moving, work, *arguments)

    def _put(self, path: Path, place: str) -> bool:
        size = path.stat().st_size
        self._in_store.put(place, path)
        return self._in_store.size(place) == size

    def _remove(self, workspace_id: str, call_ids: Collection[str]) -> int:
        """A call of several attempts has several, and what is kept beside them."""
        found = [place for call_id in call_ids for place in self._in_store.below(f"{workspace_id}/{call_id}")]
        self._in_store.remove(*found)
        return len(found)

    def _waveform(self, place: str, size: int) -> WaveformView:
        beside = place.removesuffix(".wav") + WAVEFORM
        known = self._in_store.get(beside)
        if known is not None:
            found: WaveformView = json.loads(known)
            return found
        with tempfile.NamedTemporaryFile(suffix=".wav") as copy:
            for first in range(0, size, WAVEFORM_BYTES):
                copy.write(self._in_store.read(place, first, min(first + WAVEFORM_BYTES, size) - 1))
            copy.flush()
            made = peaks(Path(copy.name))
        self._in_store.put(beside, json.dumps(made).encode())
        if self._in_store.size(place) is None:  # erased meanwhile
            self._in_store.remove(beside)
        return made

    def finished(self) -> Iterator[str]:
        """Whole ones on this disk, oldest first within a workspace. Blocks."""
        for workspace in sorted(self.folder.glob("*")):
            for path in sorted(workspace.glob("*.wav")):
                yield f"{FOLDER}/{workspace.name}/{path.name}"


def call_of(path: Path) -> str:
    """The id of the call whose recording it is, whole or still being written."""
    return path.name.partition(".")[0].partition("-")[0]


def _opened(url: str) -> "Store":
    from outdial.recordings.store import Store  # few have one, and it takes a while to import

    return Store(url)


def _size(folder: Path, path: Path) -> int | None:
    """None when there is no such file, or it lies elsewhere than recordings do."""
    path = path.resolve()
    return path.stat().st_size if path.is_relative_to(folder.resolve()) and path.is_file() else None


def _let_go(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.with_suffix(WAVEFORM).unlink(missing_ok=True)


def _place(recording: str) -> str | None:
    """In the store; None for what is named otherwise than recordings are."""
    folder, _, name = recording.rpartition("/")
    first, *workspace = folder.split("/")
    if first != FOLDER or any(part in ("", ".", "..") for part in (*workspace, name)):
        return None
    return "/".join((*workspace, call_of(Path(name)), name))


def _known_place(recording: str) -> str:
    place = _place(recording)
    if place is None:
        raise ValueError("no recording's path")
    return place
