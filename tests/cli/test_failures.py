import httpx
import psycopg
import pytest

from outdial.cli.failures import CommandFailed, explained
from outdial.db.embedded import EmbeddedPostgresError
from outdial.refusals import Invalid, NotFound
from outdial.settings import Settings


def said(error: BaseException, capsys) -> tuple[str, int]:
    with pytest.raises(SystemExit) as ended, explained():
        raise error
    return capsys.readouterr().err, ended.value.code


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (CommandFailed("do this"), "outdial: do this\n"),
        (Invalid("lines", "must be positive"), "outdial: lines must be positive\n"),
        (NotFound("number_not_found", "There is no such phone number."), "There is no such phone number."),
        (EmbeddedPostgresError("set OUTDIAL_DATABASE_URL"), "set OUTDIAL_DATABASE_URL"),
        (psycopg.OperationalError("connection refused\nmore"), "check OUTDIAL_DATABASE_URL"),
        (httpx.ConnectError("refused"), "--api-url"),
        (FileNotFoundError(2, "No such file or directory", "x.yaml"), "x.yaml: No such file or directory"),
        (ExceptionGroup("two", [CommandFailed("the first")]), "the first"),
        (RuntimeError("something\nodd"), "RuntimeError: something (OUTDIAL_LOG_LEVEL=debug shows where)"),
    ],
)
def test_one_line_says_what_is_wrong(error, words, capsys):
    line, code = said(error, capsys)
    assert words in line
    assert (line.count("\n"), code) == (1, 1)


def test_a_wrong_setting_is_named_as_it_is_set(capsys, monkeypatch):
    monkeypatch.setenv("OUTDIAL_PORT", "many")
    with pytest.raises(SystemExit), explained():
        Settings()
    assert capsys.readouterr().err.startswith("outdial: OUTDIAL_PORT: ")


def test_ctrl_c_is_not_an_error_to_explain(capsys):
    assert said(KeyboardInterrupt(), capsys) == ("", 130)
