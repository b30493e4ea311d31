"""What the command says when something goes wrong: one line with what to do, no traceback."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)


class CommandFailed(Exception):
    """A command that can't go on; the message is for the user, and says what to do. `code`: the API's, where it was
    the server who refused."""

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


@contextmanager
def explained() -> Iterator[None]:
    """End the process with a message and code 1 when a command fails; 130 after Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if logging.getLogger().isEnabledFor(logging.DEBUG):
            logger.exception("Command failed")
        print(f"outdial: {explanation(error)}", file=sys.stderr)
        sys.exit(1)


def explanation(error: BaseException) -> str:
    """What is wrong in one line. Imports here, not above: every command would wait for them."""
    import httpx
    import psycopg
    import sqlalchemy.exc
    from pydantic import ValidationError

    from outdial.accounts.secret_key import AnotherSecretKey
    from outdial.calls.workers import WorkerLost
    from outdial.db.embedded import EmbeddedPostgresError
    from outdial.db.migrate import SchemaError
    from outdial.db.pooler import WrongDatabaseUrl
    from outdial.refusals import Invalid, Refusal
    from outdial.workspaces.secrets import WrongSecretKey

    match error:
        case BaseExceptionGroup():
            return explanation(error.exceptions[0])
        case CommandFailed() | EmbeddedPostgresError() | SchemaError() | WorkerLost() | WrongDatabaseUrl():
            return str(error)
        case AnotherSecretKey() | WrongSecretKey():
            return str(error)
        case Invalid():
            return f"{error.field} {error.message}"
        case Refusal():
            return error.message
        case ValidationError() if error.title == "Settings":
            return "; ".join(f"OUTDIAL_{_place(part['loc'])}: {part['msg']}" for part in error.errors())
        case sqlalchemy.exc.OperationalError() | psycopg.OperationalError():
            cause = error.orig if isinstance(error, sqlalchemy.exc.OperationalError) else error
            return f"the database can't be used: {_first_line(cause)}; check OUTDIAL_DATABASE_URL"
        case httpx.ConnectError():
            return "no server answers there; is `outdial serve` running, and is --api-url right?"
        case httpx.HTTPError():
            return f"the server doesn't answer as it should ({type(error).__name__})"
        case OSError() if error.strerror and error.filename:
            return f"{error.filename}: {error.strerror}"
    return f"{type(error).__name__}: {_first_line(error)} (OUTDIAL_LOG_LEVEL=debug shows where)"


def _place(location: tuple[int | str, ...]) -> str:
    return "_".join(str(part) for part in location).upper() or "CONFIG"


def _first_line(error: BaseException | None) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
