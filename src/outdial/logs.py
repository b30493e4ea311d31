"""Logging: fixed sentences with fields. Readable on a terminal, one JSON object a line everywhere else."""

import logging
import re
import sys
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec

# What every record has anyway; the rest of its attributes came by `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}

# A second line of defence: our code doesn't log these, and a mistake shall not publish one.
_SECRET_WORDS = ("token", "secret", "password", "authorization", "api_key", "credentials", "signature")

# These libraries name URLs in their messages, and ours carry phone numbers and one-time tokens.
_QUIET = ("httpx", "httpcore", "uvicorn", "uvicorn.error", "uvicorn.access", "websockets", "alembic", "multipart")

# These would tell transcripts: events as they are sent, what models are asked.
_TALKATIVE = ("sse_starlette", "openai", "httpx2", "httpcore2", "pydantic_ai")


def set_up(level: str = "info", *, stream: TextIO | None = None) -> None:
    """Send everything to stderr (or `stream`), in the form that fits it. Raises ValueError for an unknown level."""
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    handler.setFormatter(TerminalFormatter() if stream.isatty() else JsonFormatter())
    root = logging.getLogger()
    root.setLevel(level.upper())
    root.handlers[:] = [handler]
    # Whatever the level: "debug" is for our own lines.
    for name in (*_QUIET, *_TALKATIVE):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It warns of every query that is cut off because whoever asked for it is gone: who leaves in the middle of an
    # export, as often as they like. What is a fault reaches us as an exception.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    # Its sentences have the job's arguments in them, and each outage is a traceback; what matters `jobs` tells.
    logging.getLogger("procrastinate").setLevel(logging.CRITICAL)
    # A line for each request that isn't taken; tracing/sending.py tells it once.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    # Its sentences have in them what a tool answered; what is a fault api/mcp/tools.py tells.
    logging.getLogger("mcp").setLevel(logging.CRITICAL)


_about: ContextVar[Mapping[str, str]] = ContextVar("ids of what is being done", default={})  # noqa: B039 - never changed


def about(**ids: str) -> None:
    """What this task is about from now on, and what it starts: each of its lines has these ids, unless it names its
    own."""
    _about.set({**_about.get(), **ids})


# What is as long as a phone number is one, in the text of an exception that others have written.
_NUMBER = re.compile(r"(?:\+|%2B|(?<!\w))\d{7,15}(?!\w)", re.IGNORECASE)


class _Formatter(logging.Formatter):
    def formatException(self, ei: Any) -> str:  # noqa: N802 - its name
        return _NUMBER.sub("***", super().formatException(ei))


class JsonFormatter(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()


class TerminalFormatter(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        said = "".join(f" {name}={value}" for name, value in fields(record).items())
        line = f"{time} {record.levelname.lower():<7} {record.getMessage()}{said}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """What the task is about, and what was given as `extra`, with secrets crossed out."""
    given = {
        name: "***" if any(word in name.lower() for word in _SECRET_WORDS) else value
        for name, value in vars(record).items()
        if name not in _STANDARD
    }
    return {**_about.get(), **given}


class Seldom:
    """Says when to log what strangers can make happen as often as they like: at once, then once in `every_s`."""

    def __init__(self, *, every_s: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._every_s = every_s
        self._clock = clock
        self._next_at: float | None = None
        self._times = 0

    def again(self, times: int = 1) -> int:
        """It happened. How often it did since it was last logged, when it is to be logged now, else 0."""
        self._times += times
        now = self._clock()
        if self._next_at is not None and now < self._next_at:
            return 0
        self._next_at = now + self._every_s
        told, self._times = self._times, 0
        return told
