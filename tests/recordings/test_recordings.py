"""Recordings in a store: put there, found, read in part, removed, and what happens where it can't be reached."""

import asyncio
import socket
from datetime import timedelta
from pathlib import Path

import pytest

from outdial.media.recording import Recording
from outdial.media.waveform import peaks
from outdial.recordings.errors import StoreUnreachable
from outdial.recordings.recordings import Recordings
from recordings.s3 import BUCKET, VARIABLES, s3_server, take

NAME = "recordings/ws_1/call_1.wav"


@pytest.fixture(scope="module")
def s3():
    with s3_server() as variables:
        yield variables


@pytest.fixture(params=["s3", "folder"])
def url(request, tmp_path, monkeypatch):
    if request.param == "folder":
        return (tmp_path / "shared").as_uri()
    for name, value in request.getfixturevalue("s3").items():
        monkeypatch.setenv(name, value)
    return f"{BUCKET}/{tmp_path.name}"


@pytest.fixture
def here(tmp_path, url):
    """This host."""
    return Recordings(tmp_path / "here", url)


@pytest.fixture
def elsewhere(tmp_path, url):
    """Another one, with a disk of its own."""
    return Recordings(tmp_path / "elsewhere", url)


def record(recordings: Recordings, name: str = NAME) -> bytes:
    path = recordings.folder.parent / name
    path.parent.mkdir(parents=True, exist_ok=True)
    recording = Recording(path)
    recording.callee(0, b"\x00\x40" * 8000)
    recording.close(1000)
    return path.read_bytes()


async def read(recordings: Recordings, first: int, last: int, name: str = NAME) -> bytes:
    return b"".join([part async for part in recordings.read(name, first, last)])


async def test_a_recording_is_read_from_the_host_that_made_it_and_then_from_any(here, elsewhere):
    whole = record(here)
    assert (await here.find(NAME)).path is not None
    assert await elsewhere.find(NAME) is None
    await take(here, NAME)
    for recordings in (here, elsewhere):
        kept = await recordings.find(NAME)
        assert (kept.path, kept.size) == (None, len(whole))
        assert await read(recordings, 0, kept.size - 1) == whole
        assert await read(recordings, 44, 99) == whole[44:100]
    assert list(here.finished()) == []


async def test_what_is_taken_twice_is_there_once(here, elsewhere):
    whole = record(here)
    assert await asyncio.gather(here.put(NAME), here.put(NAME)) == [True, True]
    await asyncio.gather(here.let_go(NAME), here.let_go(NAME))
    assert await here.put(NAME) is False
    assert (await elsewhere.find(NAME)).size == len(whole)


async def test_a_call_is_removed_with_all_its_recordings_and_no_other_is(here, elsewhere):
    of_call = [NAME, "recordings/ws_1/call_1-3.wav", "recordings/ws_1/call_1-05.wav"]
    others = ["recordings/ws_1/call_12.wav", "recordings/ws_2/call_1.wav"]
    for name in of_call + others:
        record(here, name)
        await take(here, name)
    await elsewhere.waveform(NAME, await elsewhere.find(NAME))
    assert await elsewhere.remove("ws_1", {"call_1", "call_none"}) == len(of_call) + 1
    assert [await here.find(name) for name in of_call] == [None] * 3
    assert all([await here.find(name) for name in others])


async def test_its_waveform_is_the_one_of_the_file_and_made_once(here, elsewhere, monkeypatch):
    record(here)
    of_file = await here.waveform(NAME, await here.find(NAME))
    await take(here, NAME)
    assert not list(here.folder.rglob("*.*"))
    kept = await elsewhere.find(NAME)
    assert await elsewhere.waveform(NAME, kept) == of_file
    monkeypatch.setattr("outdial.recordings.recordings.peaks", None)
    assert await here.waveform(NAME, kept) == of_file


async def test_no_waveform_is_left_of_what_was_erased_while_it_was_made(here, elsewhere, monkeypatch):
    record(here)
    await take(here, NAME)
    kept = await elsewhere.find(NAME)

    def erased_meanwhile(path):
        elsewhere._remove("ws_1", {"call_1"})
        return peaks(path)

    monkeypatch.setattr("outdial.recordings.recordings.peaks", erased_meanwhile)
    await elsewhere.waveform(NAME, kept)
    assert await here.remove("ws_1", {"call_1"}) == 0


async def test_nothing_but_recordings_is_read(here, tmp_path):
    for name in ("recordings/../secret_key", "secret_key", "recordings", "recordings/", "recordings//x.wav"):
        assert await here.find(name) is None


async def test_a_store_that_works_is_told_so(here):
    await here.probe()


async def test_a_store_that_is_away_loses_nothing(tmp_path, monkeypatch):
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    away = Recordings(tmp_path, BUCKET)
    whole = record(away)
    tries = (
        lambda: away.put(NAME), away.probe, lambda: away.remove("ws_1", {"call_1"}),
        lambda: away.find("recordings/ws_1/other.wav"), lambda: read(away, 0, 1),
    )  # fmt: skip
    for tried in tries:
        with pytest.raises(StoreUnreachable):
            await tried()
    assert (tmp_path / NAME).read_bytes() == whole
    assert (await away.find(NAME)).path is not None


async def test_a_file_that_was_stored_in_part_stays(here, monkeypatch):
    record(here)
    monkeypatch.setattr(here._store, "size", lambda place: 10)
    assert await here.put(NAME) is False
    assert list(here.finished()) == [NAME]


@pytest.fixture
def hanging(tmp_path, monkeypatch):
    """A store that takes connections and never answers."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(50)
        # Its own tries end soon after, so that no thread is left of it.
        for name, value in (VARIABLES | {"AWS_TIMEOUT": "2s", "AWS_CONNECT_TIMEOUT": "2s"}).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr("outdial.recordings.store.TRIES_WITHIN", timedelta(seconds=1))
        yield Recordings(tmp_path, BUCKET)


async def test_who_asks_a_store_that_hangs_is_told_soon_and_nobody_else_waits(hanging, monkeypatch):
    monkeypatch.setattr("outdial.recordings.recordings.ANSWER_S", 0.2)
    record(hanging)
    uploads = [asyncio.create_task(hanging.put(NAME)) for _ in range(40)]
    asked = [asyncio.create_task(hanging.find("recordings/ws_1/other.wav")) for _ in range(40)]
    async with asyncio.timeout(1.5):
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {StoreUnreachable}
        assert await asyncio.to_thread(lambda: "what calls wait for") == "what calls wait for"
    for upload in uploads:
        upload.cancel()
    await asyncio.gather(*uploads, return_exceptions=True)


@pytest.mark.parametrize("url", ["s4://bucket", "s3://"])
def test_what_is_no_store_is_said_at_the_start(tmp_path, url):
    with pytest.raises(ValueError, match=r".+"):
        Recordings(tmp_path, url)


async def test_without_a_store_they_stay_on_the_disk(tmp_path: Path):
    recordings = Recordings(tmp_path)
    record(recordings)
    assert not recordings.in_store
    await recordings.probe()
    assert await recordings.remove("ws_1", {"call_1"}) == 0
    assert (await recordings.find(NAME)).path is not None
