import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from outdial.cli import app


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def outdial(database_url, tmp_path, monkeypatch) -> Callable[..., Any]:
    """Run the command on a fresh database; `.stdout`, `.stderr`, `.exit_code`."""
    monkeypatch.setenv("OUTDIAL_DATABASE_URL", database_url)
    monkeypatch.setenv("OUTDIAL_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *args, **more: CliRunner().invoke(app, args, **more)


@pytest.fixture
def outdial_json(outdial) -> Callable[..., Any]:
    def run(*args: str, **more: Any) -> Any:
        result = outdial(*args, "--json", **more)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return run
