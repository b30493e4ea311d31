import subprocess
import sys

import pytest

from outdial.db import account
from outdial.db.made import is_made
from outdial.settings import Settings


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setattr(account, "SHARED_HOME", tmp_path / "shared")
    return Settings(data_dir=tmp_path / "data")


def test_an_operators_database_is_there_whether_it_answers_or_not(tmp_path):
    assert is_made(Settings(data_dir=tmp_path, database_url="postgresql://nobody@127.0.0.1:9/nowhere"))


def test_an_embedded_one_is_there_once_it_was_made_wherever_that_is(settings):
    assert not is_made(settings)
    for home in account.homes(settings.data_dir):
        (home / "cluster").mkdir(parents=True)
        assert is_made(settings)
        (home / "cluster").rmdir()
    assert not is_made(settings)


def test_looking_loads_nothing_that_works_with_databases():
    slow = "{'sqlalchemy', 'alembic', 'psycopg'}"
    loaded = f"import sys; import outdial.cli.call; print(sorted({slow} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True).stdout == "[]\n"
