"""Whole recordings on their way into the store: what is stored, what isn't, and what is left by those who died."""

import asyncio
from contextlib import suppress

import pytest
from sqlalchemy import func, update

from outdial.calls.erasing import erase_recordings
from outdial.db.tables import calls
from outdial.live import storing
from outdial.live.removals import Removals, remove_from_store
from outdial.live.storing import keep_storing, store_finished
from outdial.media.recording import Recording
from outdial.recordings.errors import StoreUnreachable
from outdial.recordings.recordings import Recordings
from workspace import until


@pytest.fixture
def recordings(tmp_path):
    return Recordings(tmp_path / "here", (tmp_path / "store").as_uri())


@pytest.fixture
def record(workspace, recordings):
    """A whole recording of a call; the call knows of it, or doesn't."""

    async def record(call_id, *, known=True):
        name = f"recordings/{workspace.id}/{call_id}.wav"
        path = recordings.folder.parent / name
        path.parent.mkdir(parents=True, exist_ok=True)
        recording = Recording(path)
        recording.callee(0, bytes(1600))
        recording.close(100)
        if known:
            await workspace.set_call(call_id, recording=name)
        return name

    return record


async def test_a_recording_goes_to_the_store_once_its_call_knows_of_it(workspace, recordings, record):
    first, second = await workspace.queue(), await workspace.queue()
    known, unknown = await record(first), await record(second, known=False)
    assert await store_finished(workspace.engine, recordings) == 1
    assert (await recordings.find(known)).path is None
    assert list(recordings.finished()) == [unknown]
    await workspace.set_call(second, recording=unknown)
    assert await store_finished(workspace.engine, recordings) == 1
    assert list(recordings.finished()) == []


async def test_what_is_being_written_stays(workspace, recordings, record):
    call_id = await workspace.queue()
    name = await record(call_id)
    path = recordings.folder.parent / name
    path.rename(path.with_name(f"{path.name}.part"))
    assert await store_finished(workspace.engine, recordings) == 0
    assert path.with_name(f"{path.name}.part").exists()


async def test_what_was_stored_by_a_process_that_died_before_it_let_go_is_let_go_of(workspace, recordings, record):
    name = await record(await workspace.queue())
    path = recordings.folder.parent / name
    content = path.read_bytes()
    await recordings.put(name)
    assert path.read_bytes() == content
    assert await store_finished(workspace.engine, recordings) == 1
    assert not path.exists()


@pytest.fixture
def erase(workspace):
    async def erase(call_id):
        async with workspace.engine.begin() as conn:
            await conn.execute(update(calls).where(calls.c.id == call_id).values(answered_at=func.now()))
            await erase_recordings(conn, [call_id])

    return erase


async def test_what_was_erased_is_not_stored(workspace, recordings, record, erase):
    """Its host was away meanwhile, and another one has emptied the store of it already."""
    call_id = await workspace.queue()
    name = await record(call_id)
    await erase(call_id)
    assert await remove_from_store(workspace.engine, recordings) == 0
    assert await store_finished(workspace.engine, recordings) == 0
    await Removals(workspace.engine, recordings.folder.parent).remove()
    assert await recordings.find(name) is None


async def test_what_was_erased_on_its_way_is_not_in_the_store(workspace, recordings, record, erase, monkeypatch):
    call_id = await workspace.queue()
    name = await record(call_id)
    put = recordings.put

    async def erased_meanwhile(recording):
        await erase(call_id)
        assert await remove_from_store(workspace.engine, recordings) == 0
        return await put(recording)

    monkeypatch.setattr(recordings, "put", erased_meanwhile)
    await store_finished(workspace.engine, recordings)
    await Removals(workspace.engine, recordings.folder.parent).remove()
    assert await recordings.find(name) is None


async def test_what_was_erased_on_its_way_by_a_process_that_was_killed_goes_from_the_store(
    workspace, recordings, record, erase
):
    call_id = await workspace.queue()
    name = await record(call_id)
    await erase(call_id)
    assert await remove_from_store(workspace.engine, recordings) == 0
    assert await recordings.put(name)  # what it did last
    assert await Removals(workspace.engine, recordings.folder.parent).remove() == 1
    assert (await recordings.find(name)).path is None
    assert await remove_from_store(workspace.engine, recordings) == 1
    assert await recordings.find(name) is None


async def test_a_store_that_is_away_is_tried_again_and_told_of_once(
    workspace, recordings, record, monkeypatch, caplog
):
    name = await record(await workspace.queue())
    monkeypatch.setattr(storing, "REST_S", 0.01)
    put, tries = recordings.put, []

    async def away_at_first(recording):
        tries.append(recording)
        if len(tries) < 4:
            raise StoreUnreachable("GenericError")
        return await put(recording)

    monkeypatch.setattr(recordings, "put", away_at_first)
    keeping = asyncio.create_task(keep_storing(workspace.engine, recordings))

    async def stored():
        return not list(recordings.finished())

    await until(stored)
    keeping.cancel()
    with suppress(asyncio.CancelledError):
        await keeping
    assert (await recordings.find(name)).path is None
    assert caplog.messages.count("Recordings not stored; trying again") == 1
