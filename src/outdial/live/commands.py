"""What somebody outside wants of a live call, through the database: asked by the API (`ask`), taken and answered by
the worker that holds the call (`CommandDesk`).

A command that nobody takes in time is withdrawn: it is never carried out later, so asking again is safe.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial import clock
from outdial.background import Background
from outdial.calls.noted import keep
from outdial.calls.results import add_noted
from outdial.calls.transfer_gate import require_transferable
from outdial.conversation.commands import (
    Command,
    CommandRefused,
    Say,
    SendDigits,
    SetVariables,
    TakeOver,
    Transfer,
    Whisper,
)
from outdial.db.clearing import Clearing
from outdial.db.engine import reading
from outdial.db.notify import Notifications, notify
from outdial.db.tables import call_commands, calls
from outdial.db.trouble import tell_trouble
from outdial.db.wake import Wake
from outdial.live.in_conversation import require_conversation
from outdial.refusals import Conflict, Invalid, Unavailable
from outdial.telephony.state import CallState
from outdial.workspaces.audit import Actor, record

logger = logging.getLogger(__name__)

ANSWER_S = 3.0    # how long an asker waits for the worker
STALE_S = 5.0     # older: its asker has withdrawn it, or is gone and couldn't
POLL_S = 0.5      # should a notification be lost
RETRY_AFTER_S = 1
FINISH_S = 5.0

KINDS: Mapping[str, type[Command]] = {
    "say": Say,
    "digits": SendDigits,
    "transfer": Transfer,
    "whisper": Whisper,
    "take_over": TakeOver,
    "variables": SetVariables,
}
_KIND_OF = {type_: kind for kind, type_ in KINDS.items()}
_ACTS: Mapping[type[Command], str] = {
    Say: "call.sentence_asked",
    Transfer: "call.transfer_asked",
    Whisper: "call.whisper_asked",
    TakeOver: "call.take_over_asked",
}


# Of calls that have ended: whoever asked has their answer.
OLD_COMMANDS = Clearing(
    table=call_commands,
    since=call_commands.c.created_at,
    over=~select(calls.c.id).where(calls.c.id == call_commands.c.call_id, calls.c.state != CallState.ENDED).exists(),
    in_order=call_commands.c.id,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandAnswer:
    """What became of a command. `done` None: its worker is at it still, and the call's feed will tell."""

    command_id: int
    done: Mapping[str, Any] | None


async def ask(
    engine: AsyncEngine,
    notifications: Notifications,
    workspace_id: str,
    call_id: str,
    command: Command,
    *,
    by: Actor | None = None,
    wait_s: float = ANSWER_S,
) -> CommandAnswer:
    """Have a command carried out by whoever holds the call. That `by` asked for words of theirs or for another number
    is in the audit log, whatever becomes of it.

    Raises NotFound (the call), Conflict (it isn't in progress, was transferred, has ended, or the command was
    refused), Invalid (what can't be noted), Denied and LimitReached (a transfer that a rule is against) and Unavailable
    (no worker took it; it is withdrawn).
    """
    answered = Wake(lambda payload: payload == call_id)
    with answered.listening(notifications, "outdial_answer"):
        async with engine.begin() as conn:
            await _require_possible(conn, workspace_id, call_id, command)
            if by is not None and (act := _ACTS.get(type(command))) is not None:
                await record(conn, workspace_id, by, act, subject_id=call_id)
            command_id = await conn.scalar(
                insert(call_commands)
                .values(call_id=call_id, kind=_KIND_OF[type(command)], data=asdict(command))
                .returning(call_commands.c.id)
            )
            await notify(conn, "outdial_control", call_id)
        assert command_id is not None
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + wait_s
        while True:
            if (result := await _result(engine, command_id)) is not None:
                return CommandAnswer(command_id=command_id, done=_read(result))
            left_s = give_up_at - loop.time()
            if left_s <= 0:
                break
            await answered.wait(min(left_s, POLL_S))
    await _withdraw(engine, command_id)
    return CommandAnswer(command_id=command_id, done=None)


async def _require_possible(conn: AsyncConnection, workspace_id: str, call_id: str, command: Command) -> None:
    noted = await require_conversation(conn, workspace_id, call_id)
    if isinstance(command, Transfer | TakeOver):
        await require_transferable(conn, call_id, command.to)
    if isinstance(command, SetVariables):
        losses = {loss.name: loss for loss in keep({**noted, **command.values}).losses}
        for name in losses.keys() & command.values.keys():
            raise Invalid(name, f"can't be noted: it {losses[name].reason}")


async def _result(engine: AsyncEngine, command_id: int) -> Mapping[str, Any] | None:
    async with reading(engine) as conn:
        result: Mapping[str, Any] | None = await conn.scalar(
            select(call_commands.c.result).where(call_commands.c.id == command_id)
        )
    return result


def _read(result: Mapping[str, Any]) -> Mapping[str, Any]:
    if refused := result.get("refused"):
        raise Conflict(refused["code"], refused["message"])
    done: Mapping[str, Any] = result["done"]
    return done


async def _withdraw(engine: AsyncEngine, command_id: int) -> None:
    """Raises Unavailable; not when a worker has taken the command after all."""
    async with engine.begin() as conn:
        withdrawn = await conn.execute(
            delete(call_commands).where(call_commands.c.id == command_id, call_commands.c.taken_at.is_(None))
        )
    if withdrawn.rowcount:
        sentence = "The worker that holds this call does not answer; nothing was done."
        raise Unavailable("no_worker", sentence, RETRY_AFTER_S)


def some_wait(call_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether there are commands for a call that nobody has taken."""
    waiting = select(call_commands.c.id).where(call_commands.c.call_id == call_id, call_commands.c.taken_at.is_(None))
    return waiting.exists()


# -- the worker's side ---------------------------------------------------------------------------------------

CarryOut = Callable[[Command], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """A command that this worker has taken."""

    id: int
    call_id: str
    kind: str
    data: Mapping[str, Any]


class CommandDesk:
    """Carries out the commands for the calls of this process: each call's in the order they were given."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._waiting: dict[str, deque[tuple[_Taken, CarryOut]]] = {}  # by call id; a key: its task is at work
        self._tasks = Background()

    async def take(self, calls_held: Mapping[str, CarryOut]) -> None:
        """Take every waiting command of these calls (by id) and begin to carry them out."""
        for command in await self._take_rows(calls_held):
            entry = (command, calls_held[command.call_id])
            if command.call_id in self._waiting:
                self._waiting[command.call_id].append(entry)
            else:
                self._waiting[command.call_id] = deque([entry])
                self._tasks.start(self._carry_out_all(command.call_id), name=f"commands for {command.call_id}")

    async def aclose(self) -> None:
        """Wait for the answers; the calls must have ended."""
        await self._tasks.finish(FINISH_S)

    async def _take_rows(self, call_ids: Iterable[str]) -> list[_Taken]:
        async with self._engine.begin() as conn:
            taken = await conn.execute(
                update(call_commands)
                .where(
                    call_commands.c.call_id.in_(list(call_ids)),
                    call_commands.c.taken_at.is_(None),
                    call_commands.c.created_at > func.now() - timedelta(seconds=STALE_S),
                )
                .values(taken_at=clock.now())
                .returning(call_commands.c.id, call_commands.c.call_id, call_commands.c.kind, call_commands.c.data)
            )
            commands = [_Taken(id=row.id, call_id=row.call_id, kind=row.kind, data=row.data) for row in taken]
            return sorted(commands, key=lambda command: command.id)

    async def _carry_out_all(self, call_id: str) -> None:
        try:
            while self._waiting[call_id]:
                command, carry_out = self._waiting[call_id].popleft()
                try:
                    await self._answer(command, await self._carry_out(command, carry_out))
                except Exception as error:  # the database's: whoever asked is told that the worker is at it still
                    fields = {"call_id": call_id, "command_id": command.id}
                    tell_trouble(self._engine, logger, "Command not answered", error, **fields)
        finally:
            del self._waiting[call_id]

    async def _carry_out(self, command: _Taken, carry_out: CarryOut) -> dict[str, Any]:
        try:
            return {"done": await carry_out(KINDS[command.kind](**command.data))}
        except CommandRefused as refused:
            return {"refused": {"code": refused.code, "message": refused.message}}
        except Exception:
            logger.exception("Command failed", extra={"call_id": command.call_id, "command_id": command.id})
            return {"refused": {"code": "command_failed", "message": "Something went wrong in Outdial; see its log."}}

    async def _answer(self, command: _Taken, result: dict[str, Any]) -> None:
        async with self._engine.begin() as conn:
            if command.kind == "variables" and "done" in result:
                await add_noted(conn, command.call_id, command.data["values"])
            await conn.execute(update(call_commands).where(call_commands.c.id == command.id).values(result=result))
            await notify(conn, "outdial_answer", command.call_id)
