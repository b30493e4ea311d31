"""Runs a python agent's coroutine on a live call: what it is called with, what becomes of what it returns or raises."""

import asyncio
import logging
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import PurePath

from outdial.agents.python.call import Call
from outdial.agents.python.definition import PythonAgent, WrongVariable
from outdial.conversation.live_call import LiveCall
from outdial.conversation.verb_results import AgentFailed, CallEnded, SpeechFailed, TransferFailed
from outdial.telephony.outcome import NAMED

logger = logging.getLogger(__name__)

APOLOGY_S = 10.0
MAX_FRAMES = 30

_NOT_HERE = "The agent is written in Python, and its code is not on this server."


async def run_python(agent: PythonAgent, call: LiveCall) -> None:
    """Hold the conversation; returns or raises CallEnded once it is over. Raises AgentFailed when the coroutine raised
    something, after an apology; the log says where, without what was said."""
    if agent.code is None:
        raise AgentFailed(_NOT_HERE)
    kept = Call(agent, call)
    try:
        given = agent.code.arguments(call.variables)
        await kept.greeting()
        outcome = await agent.code.talk(kept, **given)
        _note(agent, kept, outcome)
        await kept.part()
    except (CallEnded, SpeechFailed):
        raise
    except TransferFailed:  # the call's record says why
        await kept.say(kept.texts("no_transfer"), asks=False)
        await kept.hang_up()
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise  # by us
        await _fail(agent, kept, error)
    except BaseExceptionGroup as group:
        for only in (CallEnded, SpeechFailed):
            if group.split(only)[1] is None:
                raise
        await _fail(agent, kept, group)
    except BaseException as error:  # SystemExit, too: it is this agent that ends, and not the server
        await _fail(agent, kept, error)


def _note(agent: PythonAgent, call: Call, outcome: object) -> None:
    if outcome is None:
        return
    if not isinstance(outcome, str) or (agent.outcomes is not None and outcome not in agent.outcomes):
        logger.error("Agent returned an outcome that it doesn't declare", extra=_fields(agent, call))
        return
    call.noted[NAMED] = outcome


async def _fail(agent: PythonAgent, call: Call, error: BaseException) -> None:
    fields = _fields(agent, call) | {"error": type(error).__name__, "frames": list(_frames(error))}
    logger.error("Agent failed", extra=fields)
    with suppress(Exception):
        async with asyncio.timeout(APOLOGY_S):
            await call.say(call.texts("agent_failed"), interruptible=False)
    if isinstance(error, AgentFailed):
        raise error
    raise AgentFailed(_reason(agent, error)) from error


def _reason(agent: PythonAgent, error: BaseException) -> str:
    if isinstance(error, WrongVariable):
        return str(error)
    assert agent.code is not None
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == agent.code.file]
    where = f" in {PurePath(agent.code.file).name}, line {own[-1].lineno}" if own else ""
    return f"The agent stopped because of an error in it: {type(error).__name__}{where}."


def _frames(error: BaseException) -> Iterator[str]:
    """Where it was raised, the outermost first, and what it was raised because of. Without messages and without lines
    of code: both may hold what was said."""
    seen: BaseException | None = error
    for _ in range(3):
        if seen is None:
            return
        yield type(seen).__name__
        for frame in traceback.extract_tb(seen.__traceback__)[-MAX_FRAMES:]:
            yield f"{frame.filename}:{frame.lineno} in {frame.name}"
        seen = seen.__cause__ or seen.__context__


def _fields(agent: PythonAgent, call: Call) -> dict[str, object]:
    return {"call_id": call.call_id, "agent": agent.name}
