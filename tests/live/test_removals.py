"""Erased recordings go from this host's disk, whenever it hears of them."""

import pytest
from sqlalchemy import func, insert, text

from outdial.db.retention_tables import recording_removals
from outdial.live.removals import Removals, remove_from_store
from outdial.recordings.errors import StoreUnreachable
from outdial.recordings.recordings import Recordings
from recordings.s3 import take


@pytest.fixture
def want_gone(engine):
    async def want_gone(*call_ids, age="0 seconds"):
        async with engine.begin() as conn:
            for call_id in call_ids:
                at = func.now() - text(f"interval '{age}'")
                await conn.execute(insert(recording_removals).values(workspace_id="ws_1", call_id=call_id, at=at))

    return want_gone


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "recordings" / "ws_1"
    folder.mkdir(parents=True)
    return folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


async def test_every_file_of_a_call_goes_and_no_other(engine, tmp_path, folder, want_gone):
    for name in ("call_a.wav", "call_a-12.wav", "call_a-03.wav.part", "call_ab.wav", "call_b.wav"):
        (folder / name).touch()
    await want_gone("call_a", "call_c")
    assert await Removals(engine, tmp_path).remove() == 3
    assert names(folder) == ["call_ab.wav", "call_b.wav"]


async def test_what_was_wanted_while_the_host_was_away_goes_when_it_is_back(engine, tmp_path, folder, want_gone):
    (folder / "call_a.wav").touch()
    await want_gone("call_a", age="30 days")
    removals = Removals(engine, tmp_path)
    assert (await removals.remove(), await removals.remove()) == (1, 0)
    (folder / "call_b.wav").touch()
    await want_gone("call_b")
    assert await removals.remove() == 1


async def test_a_row_that_was_committed_late_is_not_overlooked(engine, tmp_path, folder, want_gone):
    """Its id was given before that of another one, which was seen earlier."""
    for name in ("call_a.wav", "call_b.wav"):
        (folder / name).touch()
    removals = Removals(engine, tmp_path)
    async with engine.begin() as conn:
        await conn.execute(insert(recording_removals).values(workspace_id="ws_1", call_id="call_a"))
        await want_gone("call_b")
        assert await removals.remove() == 1
    assert await removals.remove() == 1
    assert names(folder) == []


async def test_what_turns_up_afterwards_goes_when_it_is_looked_for_again(engine, tmp_path, folder, want_gone):
    await want_gone("call_a")
    removals = Removals(engine, tmp_path)
    assert await removals.remove() == 0
    (folder / "call_a.wav").touch()
    assert await removals.remove() == 0
    removals.begin_again()
    assert await removals.remove() == 1


async def test_a_host_without_recordings(engine, tmp_path, want_gone):
    await want_gone("call_a")
    assert await Removals(engine, tmp_path).remove() == 0


async def test_what_was_erased_goes_from_the_store_once_it_can_be_reached(
    engine, tmp_path, folder, want_gone, monkeypatch
):
    recordings = Recordings(tmp_path, (tmp_path / "store").as_uri())
    taken = [f"recordings/ws_1/{name}" for name in ("call_a.wav", "call_a-12.wav", "call_b.wav")]
    for name in taken:
        (tmp_path / name).write_bytes(b"audio")
        await take(recordings, name)
    await want_gone("call_a", "call_c", age="30 days")

    async def refuse(workspace_id, call_ids):
        raise StoreUnreachable("GenericError")

    with monkeypatch.context() as away:
        away.setattr(recordings, "remove", refuse)
        with pytest.raises(StoreUnreachable):
            await remove_from_store(engine, recordings)
    assert await remove_from_store(engine, recordings) == 2
    assert [await recordings.find(name) is None for name in taken] == [True, True, False]
    monkeypatch.setattr(recordings, "remove", None)  # never asked again
    assert await remove_from_store(engine, recordings) == 0
