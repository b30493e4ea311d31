"""Files of what conversations brought: whole or not there, and a live process's own."""

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import threading

from outdial.live.spool import LOCK, Spool, left_behind

HOLDER = """
import asyncio, sys
from pathlib import Path
from outdial.live.spool import Spool

async def main():
    spool = Spool(Path(sys.argv[1]), "worker_other")
    await spool.keep("att_1", {"noted": "of another process"})
    print("kept", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


async def test_a_file_is_whole_its_owners_alone_and_written_over(tmp_path):
    spool = Spool(tmp_path, "worker_1")
    await spool.keep("att_1", {"noted": 1})
    await spool.keep("att_1", {"noted": 2, "text": "\ud800"})
    path = spool.folder / "att_1.json"
    assert json.loads(path.read_text()) == {"noted": 2, "text": "\ud800"}
    assert (path.stat().st_mode & 0o777, spool.folder.stat().st_mode & 0o777) == (0o600, 0o700)
    assert names(spool.folder) == ["att_1.json", LOCK]
    await spool.aclose()


async def test_a_file_is_removed_and_an_empty_folder_goes_with_its_process(tmp_path):
    spool = Spool(tmp_path, "worker_1")
    await spool.keep("att_1", {})
    await spool.remove("att_1")
    await spool.remove("att_unknown")
    await spool.aclose()
    assert not spool.folder.exists()


async def test_a_process_without_anything_to_keep_leaves_the_disk_alone(tmp_path):
    await Spool(tmp_path, "worker_1").aclose()
    assert list(tmp_path.iterdir()) == []


async def test_the_files_of_a_live_process_are_nobody_elses(tmp_path):
    """Also while the database can't tell who is alive: the operating system can."""
    other = subprocess.Popen(  # noqa: ASYNC220 - it is to be killed
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, env=os.environ
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == b"kept\n"
        folder = tmp_path / "spool/worker_other"
        with left_behind(folder) as files:
            assert files is None
        other.send_signal(signal.SIGSTOP)  # frozen is not dead
        with left_behind(folder) as files:
            assert files is None
    finally:
        other.kill()
        other.communicate()
    with left_behind(folder) as files:
        assert [file.name for file in files] == ["att_1.json"]
        with left_behind(folder) as again:
            assert again is None, "one process at a time delivers them"
        files[0].unlink()
    assert not folder.exists()


async def test_a_disk_that_fails_is_told_and_ends_nothing(tmp_path, caplog):
    (tmp_path / "spool").write_text("no folder")
    spool = Spool(tmp_path, "worker_1")
    await spool.keep("att_1", {"noted": 1})
    assert caplog.messages == ["Result not kept on disk"]
    await spool.aclose()


async def test_a_disk_that_stands_still_is_not_waited_for_by_a_process_that_ends(tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.ERROR)
    moves, written = threading.Event(), threading.Event()
    monkeypatch.setattr("outdial.live.spool.DISK_S", 0.05)
    monkeypatch.setattr("outdial.live.spool.write_whole", lambda path, text: moves.wait(60) and written.set())
    spool = Spool(tmp_path, "worker_1")
    spool.keep_now("att_1", {})
    assert not written.is_set()
    moves.set()
    assert await asyncio.to_thread(written.wait, 60)
    await spool.aclose()
