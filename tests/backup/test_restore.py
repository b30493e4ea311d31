"""A backup of a database with something in it, brought back into an empty one."""

import io
import stat
from datetime import UTC, datetime

import psycopg
import pytest
from sqlalchemy import insert, select, update

from db.whole_database import read_rows
from outdial.accounts.secret_key import check_secret_key
from outdial.backup import rows as backup_rows
from outdial.backup.archive import BackupUnusable, writing
from outdial.backup.make import Wanted, make_backup
from outdial.backup.restore import restore
from outdial.calls.events import add_event
from outdial.calls.workers import Worker
from outdial.db.engine import create_engine, put_away
from outdial.db.migrate import is_empty
from outdial.db.tables import calls, pauses, workspaces
from outdial.policy.pauses import list_pauses
from outdial.secrets import store
from outdial.settings import Settings
from outdial.telephony.state import CallState
from outdial.workspaces.audit import COMMAND_LINE
from outdial.workspaces.secrets import SecretBox, key_file, read_keys

WAV = b"RIFF" + bytes(range(256)) * 20
PAUSED_BY_IT = {"pauses", "audit_log"}  # and what these leave to be told


@pytest.fixture
async def filled(workspace):
    """Calls that wait, ring and are over; a secret; a recording, and one under way; something in the spool."""
    engine, settings = workspace.engine, workspace.settings
    box = SecretBox.from_settings(settings)
    await check_secret_key(engine, box)
    await store.put(engine, box, workspace.id, "weather", store.NewSecret(value="sunny"), by=COMMAND_LINE)
    ringing, over = await workspace.dialed(), await workspace.dialed()
    await workspace.hears(ringing.attempt_id, CallState.RINGING)
    await workspace.queue()
    async with engine.begin() as conn:
        odd = {"metadata": {"said": "tab\t, \\N and\nline ☎"}, "recording": f"recordings/{workspace.id}/call_1.wav"}
        await conn.execute(update(calls).where(calls.c.id == over.call_id).values(odd))
    recordings, spool = settings.data_dir / "recordings" / workspace.id, settings.data_dir / "spool" / "worker_1"
    for folder in (recordings, spool):
        folder.mkdir(parents=True)
    (recordings / "call_1.wav").write_bytes(WAV)
    (recordings / "call_2.wav.part").write_bytes(WAV)
    (spool / "att_1.json").write_text("{}")
    return workspace


async def backup_of(workspace, **wanted):
    out = io.BytesIO()
    with writing(out) as archive:
        made = Wanted(**wanted)
        await make_backup(workspace.engine, workspace.settings, archive, made, lambda what, size: None)
    return out.getvalue()


@pytest.fixture
async def elsewhere(empty_database_url, tmp_path):
    engine = create_engine(empty_database_url)
    yield engine, Settings(data_dir=tmp_path / "elsewhere", public_url="https://voice.example")
    await put_away(engine)


async def bring_back(elsewhere, content, *, replace=False):
    engine, settings = elsewhere
    settings.data_dir.mkdir(exist_ok=True)
    return await restore(engine, settings, io.BytesIO(content), replace=replace, told=lambda what: None)


def rows_at(url):
    with psycopg.connect(url) as connection:
        return read_rows(connection)


async def test_what_comes_back_is_what_there_was(filled, elsewhere, database_url, empty_database_url, monkeypatch):
    monkeypatch.setattr(backup_rows, "PART_BYTES", 50)  # so that parts end within rows
    before = rows_at(database_url)
    done = await bring_back(elsewhere, await backup_of(filled, key=True))
    after = rows_at(empty_database_url)
    assert {name: rows for name, rows in after.items() if name not in PAUSED_BY_IT} == {
        name: rows for name, rows in before.items() if name not in PAUSED_BY_IT
    }
    assert (done.recordings, done.has_key, done.manifest.store) == (1, True, None)
    folder = elsewhere[1].data_dir
    recording = folder / "recordings" / filled.id / "call_1.wav"
    assert recording.read_bytes() == WAV
    assert stat.S_IMODE(recording.stat().st_mode) == stat.S_IMODE(key_file(elsewhere[1]).stat().st_mode) == 0o600
    assert (folder / "spool" / "worker_1" / "att_1.json").exists()
    assert not list(folder.rglob("*.part"))
    assert read_keys(elsewhere[1]) == read_keys(filled.settings)
    box = SecretBox.from_settings(elsewhere[1])
    assert await store.reveal(elsewhere[0], box, filled.id, ["weather"]) == {"weather": "sunny"}


async def test_nothing_is_dialled_before_a_person_says_so(filled, elsewhere):
    content = await backup_of(filled)
    done = await bring_back(elsewhere, content)
    assert done.paused == 1
    async with elsewhere[0].connect() as conn:
        (pause,) = await list_pauses(conn, filled.id)
        assert (await conn.scalars(select(pauses.c.people_only))).all() == [True]
        states = sorted((await conn.scalars(select(calls.c.state))).all())
    assert pause.reason.startswith("Restored from a backup of 20")
    assert states == ["dialing", "queued", "ringing"], "what was under way is looked up, and never dialled again"


async def test_what_is_written_afterwards_has_new_ids(filled, elsewhere):
    await bring_back(elsewhere, await backup_of(filled))
    async with elsewhere[0].begin() as conn:  # by identities that would be taken, and triggers that are back
        await conn.execute(insert(workspaces).values(id="ws_2", name="Other", plan="team"))
        call = (await conn.execute(select(calls.c.id).limit(1))).scalar_one()
        await add_event(conn, call, "state", {"state": "ringing", "attempt": 1})


async def test_without_the_key_that_is_said(filled, elsewhere):
    done = await bring_back(elsewhere, await backup_of(filled))
    assert (done.has_key, done.manifest.with_key) == (False, False)
    assert not key_file(elsewhere[1]).exists(), "none is made that wouldn't fit"


async def test_what_is_there_is_replaced_only_when_told_so_and_whole(filled, elsewhere, empty_database_url):
    content = await backup_of(filled, key=True)
    await bring_back(elsewhere, content)
    key_file(elsewhere[1]).write_text("another key\n")
    async with elsewhere[0].begin() as conn:
        await conn.execute(insert(workspaces).values(id="ws_2", name="Other", plan="team"))
    before = rows_at(empty_database_url)
    with pytest.raises(BackupUnusable, match="--yes-replace"):
        await bring_back(elsewhere, content)
    for damaged in (content[:-200], content[: len(content) // 2], content[:20], b"", b"PK\x03\x04"):
        with pytest.raises(BackupUnusable):
            await bring_back(elsewhere, damaged, replace=True)
        assert rows_at(empty_database_url) == before, "nothing is left of half a backup"
        assert key_file(elsewhere[1]).read_text() == "another key\n", "which the data there may need"
    await bring_back(elsewhere, content, replace=True)
    assert set(rows_at(empty_database_url)["workspaces"]) == {filled.id}


async def test_not_under_a_server_that_runs(filled, elsewhere, empty_database_url):
    content = await backup_of(filled)
    await bring_back(elsewhere, content)
    async with Worker(elsewhere[0], empty_database_url) as worker:
        with pytest.raises(BackupUnusable, match=worker.id):
            await bring_back(elsewhere, content, replace=True)


async def test_a_backup_of_a_newer_version_is_refused(filled, elsewhere, monkeypatch):
    monkeypatch.setattr("outdial.backup.make.heads", lambda: ("9999",))
    monkeypatch.setattr("outdial.backup.make.__version__", "9.0.0")
    with pytest.raises(BackupUnusable, match=r"9\.0\.0, which is newer"):
        await bring_back(elsewhere, await backup_of(filled))
    assert await is_empty(elsewhere[0])


async def test_another_key_that_is_there_stays(filled, elsewhere):
    _, settings = elsewhere
    settings.data_dir.mkdir()
    key_file(settings).write_text("another key\n")
    with pytest.raises(BackupUnusable, match="another key"):
        await bring_back(elsewhere, await backup_of(filled, key=True))
    assert key_file(settings).read_text() == "another key\n"
    assert await is_empty(elsewhere[0])


async def test_recordings_of_a_store_are_named_or_copied(filled, elsewhere, tmp_path):
    kept = filled.settings.data_dir / "recordings" / filled.id / "call_1.wav"
    url = f"file://{tmp_path}/store"
    there = tmp_path / "store" / filled.id / "call_1"
    there.mkdir(parents=True)
    kept.rename(there / "call_1.wav")
    filled.settings = filled.settings.model_copy(update={"store_url": url})
    done = await bring_back(elsewhere, await backup_of(filled))
    assert (done.manifest.store, done.recordings) == (url, 0)
    done = await bring_back(elsewhere, await backup_of(filled, recordings_of_store=True), replace=True)
    assert (done.manifest.store, done.recordings) == (None, 1)
    assert (elsewhere[1].data_dir / "recordings" / filled.id / "call_1.wav").read_bytes() == WAV


async def test_what_waits_for_its_time_keeps_it(filled, elsewhere):
    async with filled.engine.begin() as conn:
        at = datetime(2031, 5, 1, 10, 30, 0, 123456, tzinfo=UTC)
        await conn.execute(update(calls).values(due_at=at))
    await bring_back(elsewhere, await backup_of(filled))
    async with elsewhere[0].connect() as conn:
        assert set((await conn.scalars(select(calls.c.due_at))).all()) == {at}
