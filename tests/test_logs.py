import io
import json
import logging

import pytest

from outdial import logs


@pytest.fixture(autouse=True)
def _logging_as_before():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_records_are_json_lines_with_their_fields():
    stream = io.StringIO()
    logs.set_up("info", stream=stream)
    logging.getLogger("outdial.test").info("Call placed", extra={"call_id": "call_1", "wait_ms": 12})
    line = json.loads(stream.getvalue())
    assert line.pop("at").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "outdial.test",
        "message": "Call placed",
        "call_id": "call_1",
        "wait_ms": 12,
    }


def test_a_terminal_gets_readable_lines():
    stream = Terminal()
    logs.set_up("info", stream=stream)
    logging.getLogger("outdial.test").warning("Callback late", extra={"after_s": 3})
    assert stream.getvalue().endswith("warning Callback late after_s=3\n")


@pytest.mark.parametrize("name", ["auth_token", "secret_key", "password", "Authorization", "api_key"])
def test_a_secret_that_was_logged_by_mistake_is_crossed_out(name):
    stream = io.StringIO()
    logs.set_up("info", stream=stream)
    logging.getLogger("outdial.test").info("Oops", extra={name: "hunter2"})
    assert "hunter2" not in stream.getvalue()


def test_an_exception_is_part_of_its_line():
    stream = io.StringIO()
    logs.set_up("info", stream=stream)
    try:
        raise ValueError("odd")
    except ValueError:
        logging.getLogger("outdial.test").exception("Failed")
    assert json.loads(stream.getvalue())["exception"].endswith("ValueError: odd")


def test_libraries_that_name_urls_are_quiet():
    stream = io.StringIO()
    logs.set_up("info", stream=stream)
    logging.getLogger("httpx").info("HTTP Request: GET https://api.example/?To=+15551230001")
    assert stream.getvalue() == ""


def test_what_happens_often_is_logged_at_once_and_then_seldom():
    now = [0.0]
    seldom = logs.Seldom(every_s=60, clock=lambda: now[0])
    assert [seldom.again() for _ in range(4)] == [1, 0, 0, 0]
    now[0] = 59.9
    assert seldom.again(10) == 0
    now[0] = 60.0
    assert seldom.again() == 14
    assert seldom.again() == 0


def test_a_query_that_is_cut_off_because_its_asker_left_writes_no_line():
    stream = io.StringIO()
    logs.set_up("info", stream=stream)
    logging.getLogger("psycopg").warning("query cancellation interrupted (CancelledError): closing connection")
    assert stream.getvalue() == ""
    logging.getLogger("psycopg").error("something else")
    assert "something else" in stream.getvalue()


@pytest.mark.parametrize("library", ["httpx", "httpcore.http11", "psycopg.pool", "procrastinate.jobs", "multipart"])
def test_no_library_tells_a_number_or_a_token_at_any_level(library):
    written = io.StringIO()
    logs.set_up("debug", stream=written)
    logging.getLogger(library).debug("HTTP Request: GET https://carrier.example/calls?to=%%2B4915112345678")
    assert written.getvalue() == ""


@pytest.mark.parametrize("number", ["+4915112345678", "%2B4915112345678", "4915112345678", "5550123"])
@pytest.mark.parametrize("kind", [io.StringIO, Terminal])
def test_the_text_of_an_exception_has_no_number(number, kind):
    stream = kind()
    logs.set_up("info", stream=stream)
    try:
        raise ValueError(f"Key (to)=({number}) at 0x7fdb619feca0, 12:30:59, port 54321")
    except ValueError:
        logging.getLogger("outdial.test").exception("Failed")
    assert number not in stream.getvalue()
    assert "Key (to)=(***) at 0x7fdb619feca0, 12:30:59, port 54321" in stream.getvalue()


@pytest.mark.parametrize("library", ["sse_starlette", "openai", "httpx2"])
def test_no_library_tells_what_was_said_at_any_level(library):
    written = io.StringIO()
    logs.set_up("debug", stream=written)
    logging.getLogger(f"{library}.client").debug("Request options: %s", {"messages": "swordfish"})
    assert "swordfish" not in written.getvalue()
