"""Recordings, wherever they are: on this host's disk, or in a store that every host reads.

A call names its recording by its path under the data directory, wherever it lies: `recordings/<workspace>/<file>.wav`.
In a store it is `<workspace>/<call>/<file>.wav` below the store's URL, so that all of a call's are found at once.
"""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from outdial.media.waveform import WaveformView, peaks, waveform

if TYPE_CHECKING:
    from outdial.recordings.store import Store

FOLDER = "recordings"  # under the data directory
WAVEFORM = ".waveform.json"  # beside a recording


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
        size = await asyncio.to_thread(self._store.size, place)
        return None if size is None else Kept(size=size, path=None)

    async def read(self, recording: str, first: int, last: int) -> AsyncIterator[bytes]:
        """Bytes `first` to `last`, both included, of one that is in the store. Raises FileNotFoundError."""
        parts = self._in_store.read(_known_place(recording), first, last)
        while part := await asyncio.to_thread(next, parts, b""):
            yield part

    async def take(self, recording: str) -> None:
        """Put a whole one into the store and off this disk. May be done twice, also by two processes at once."""
        try:
            await asyncio.to_thread(self._take, self._data_dir / recording, _known_place(recording))
        except FileNotFoundError:
            return  # taken by another process just now

    async def remove(self, workspace_id: str, call_ids: Collection[str]) -> int:
        """Everything of these calls from the store (this disk's is for whoever writes there); how many files."""
        if self._store is None:
            return 0
        return await asyncio.to_thread(self._remove, workspace_id, call_ids)

    async def waveform(self, recording: str, kept: Kept) -> WaveformView:
        """Made once and kept beside the recording. Raises OSError or ValueError for one that can't be read."""
        if kept.path is not None:
            return await asyncio.to_thread(waveform, kept.path)
        return await asyncio.to_thread(self._waveform, _known_place(recording), kept.size)

    async def probe(self) -> None:
        """Whether the store lets itself be written, read and deleted from."""
        if self._store is not None:
            await asyncio.to_thread(self._store.probe)

    @property
    def _in_store(self) -> "Store":
        assert self._store is not None
        return self._store

    def _take(self, path: Path, place: str) -> None:
        size = path.stat().st_size
        self._in_store.put(place, path)
        if self._in_store.size(place) == size:
            path.unlink(missing_ok=True)
            path.with_suffix(WAVEFORM).unlink(missing_ok=True)

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
            copy.writelines(self._in_store.read(place, 0, size - 1))
            copy.flush()
            made = peaks(Path(copy.name))
        self._in_store.put(beside, json.dumps(made).encode())
        return made

    def finished(self) -> Iterator[str]:
        """Whole ones on this disk, oldest first within a workspace. Blocks."""
        for workspace in sorted(self.folder.glob("*")):
            for path in sorted(workspace.glob("*.wav")):
                yield f"{FOLDER}/{workspace.name}/{path.name}"


def _opened(url: str) -> "Store":
    from outdial.recordings.store import Store  # few have one, and it takes a while to import

    return Store(url)


def _size(folder: Path, path: Path) -> int | None:
    """None when there is no such file, or it lies elsewhere than recordings do."""
    path = path.resolve()
    return path.stat().st_size if path.is_relative_to(folder.resolve()) and path.is_file() else None


def _place(recording: str) -> str | None:
    """In the store; None for what is named otherwise than recordings are."""
    folder, _, name = recording.rpartition("/")
    first, *workspace = folder.split("/")
    if first != FOLDER or any(part in ("", ".", "..") for part in (*workspace, name)):
        return None
    return "/".join((*workspace, name.partition(".")[0].partition("-")[0], name))


def _known_place(recording: str) -> str:
    place = _place(recording)
    if place is None:
        raise ValueError("no recording's path")
    return place
