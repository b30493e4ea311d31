import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from outdial.db.embedded import ClusterGone, EmbeddedPostgres, EmbeddedPostgresError
from outdial.db.supervised import Embedded, embedded

BACK = "Embedded database is back"
FAST = {"fsync": "off"}


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="outdial-test-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


async def test_of_two_processes_that_share_it_one_restarts_it_and_the_other_finds_it(data_dir, caplog):
    caplog.set_level("INFO")
    async with embedded(data_dir, settings=FAST) as database, embedded(data_dir, settings=FAST) as other:
        watching = [asyncio.create_task(each.watch(every_s=0.05)) for each in (database, other)]
        database._server.postmaster().kill()
        async with asyncio.timeout(60):
            while caplog.messages.count(BACK) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert sorted(record.restarted_here for record in caplog.records if record.message == BACK) == [False, True]
        with psycopg.connect(other.url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        for task in watching:
            task.cancel()
    assert database._server.postmaster() is None
    shutil.rmtree(database._server.cluster)
    with pytest.raises(ClusterGone):
        database._server.revive()


class NoDisk(EmbeddedPostgres):
    """It doesn't start any more, for a reason that may pass."""

    def __init__(self) -> None:
        self.tries = 0

    def postmaster(self) -> None:
        return None

    def revive(self) -> bool:
        self.tries += 1
        raise EmbeddedPostgresError("no space left on device")


async def test_it_is_given_up_after_some_tries(monkeypatch, caplog):
    pauses = []
    sleep = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda s: (pauses.append(s), sleep(0))[1])
    server = NoDisk()
    with pytest.raises(EmbeddedPostgresError, match="no space left"):
        await Embedded(server, "postgresql://").watch()
    assert server.tries == 6
    assert caplog.messages.count("Embedded database not restarted; trying again") == 5
    assert 5 < sum(pauses) < 60
