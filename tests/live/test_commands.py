"""What somebody wants of a live call, on its way through the database to the worker that holds it, and back."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, insert, select

from outdial.background import Background
from outdial.conversation.commands import CommandRefused, Say, SendDigits, SetVariables, Transfer
from outdial.db.notify import Notifications
from outdial.db.tables import call_commands
from outdial.live.commands import CommandDesk, ask
from outdial.refusals import Conflict, Invalid, NotFound, Unavailable
from outdial.telephony.state import CallState
from workspace import until

NEWS = Say(text="Your doctor is late today.")


class Office:
    """A worker that holds one call, and what that was asked to do."""

    def __init__(self, workspace, notifications) -> None:
        self.workspace = workspace
        self.notifications = notifications
        self.desk = CommandDesk(workspace.engine)
        self.call_id = ""
        self.begun: list[object] = []
        self.done: list[object] = []
        self.takes_s = 0.0
        self.fails: Exception | None = None
        self._tasks = Background()
        self._one_at_a_time = asyncio.Lock()

    async def carry_out(self, command):
        self.begun.append(command)
        await asyncio.sleep(self.takes_s)
        if self.fails is not None:
            raise self.fails
        self.done.append(command)
        return {"played_ms": 100}

    def heard(self, call_id: str) -> None:
        self._tasks.start(self._take(), name="take commands")

    async def _take(self) -> None:
        async with self._one_at_a_time:  # as a worker does, which looks again only after it has looked
            await self.desk.take({self.call_id: self.carry_out})

    async def ask(self, command, *, wait_s=3.0, workspace_id=None, call_id=None):
        return await ask(
            self.workspace.engine,
            self.notifications,
            workspace_id or self.workspace.id,
            call_id or self.call_id,
            command,
            wait_s=wait_s,
        )


@pytest.fixture
async def office(workspace, database_url):
    async with Notifications(database_url) as notifications:
        office = Office(workspace, notifications)
        unsubscribe = notifications.subscribe("outdial_control", office.heard)
        notifications.subscribe("outdial_answer", lambda payload: None)
        async with asyncio.timeout(30):
            while not notifications.connected:  # noqa: ASYNC110 - it has no event to wait for
                await asyncio.sleep(0.01)
        claim = await workspace.dialed()
        office.call_id = claim.call_id
        office.attempt_id = claim.attempt_id
        yield office
        unsubscribe()
        await office.desk.aclose()


@pytest.fixture
async def talking(office):
    await office.workspace.hears(office.attempt_id, CallState.IN_PROGRESS)
    await office.workspace.set_attempt(office.attempt_id, stream_opened_at=datetime.now(UTC))
    return office


async def test_a_command_reaches_the_worker_and_its_result_comes_back(talking):
    answer = await talking.ask(NEWS)
    assert answer.done == {"played_ms": 100}
    assert talking.done == [NEWS]


async def test_commands_are_carried_out_in_order_one_at_a_time(talking):
    talking.takes_s = 0.05
    commands = [NEWS, SendDigits(digits="1"), Transfer(to="+15551230009"), SetVariables(values={"a": 1})]
    asked = []
    for number, command in enumerate(commands, start=1):
        asked.append(asyncio.create_task(talking.ask(command)))

        async def is_stored(number=number):
            async with talking.workspace.engine.connect() as conn:
                return await conn.scalar(select(func.max(call_commands.c.id))) == number

        await until(is_stored)
    await asyncio.gather(*asked)
    assert talking.done == commands


async def test_what_takes_longer_is_said_to_be_under_way(talking):
    talking.takes_s = 0.5
    answer = await talking.ask(NEWS, wait_s=0.1)
    assert answer.done is None
    await asyncio.sleep(0.6)
    assert talking.done == [NEWS]


async def test_a_command_nobody_takes_is_never_carried_out(talking):
    call_id, talking.call_id = talking.call_id, "call_other"
    with pytest.raises(Unavailable) as refused:
        await talking.ask(NEWS, wait_s=0.1, call_id=call_id)
    assert (refused.value.code, refused.value.retry_after_s) == ("no_worker", 1)
    talking.call_id = call_id
    await talking.desk.take({call_id: talking.carry_out})
    await asyncio.sleep(0.05)
    assert talking.begun == []
    async with talking.workspace.engine.connect() as conn:
        assert await conn.scalar(select(func.count()).select_from(call_commands)) == 0


async def test_a_command_whose_asker_has_died_is_not_carried_out_later(talking):
    """It could not be withdrawn, and whoever wanted it got no answer, so it may have been asked for again."""
    async with talking.workspace.engine.begin() as conn:
        row = {"call_id": talking.call_id, "kind": "say", "data": {"text": NEWS.text}}
        await conn.execute(insert(call_commands).values(row | {"created_at": datetime.now(UTC) - timedelta(seconds=6)}))
        await conn.execute(insert(call_commands).values(row))
    await talking.desk.take({talking.call_id: talking.carry_out})

    async def done():
        return talking.done == [NEWS]

    await until(done)
    assert talking.begun == [NEWS]


async def test_a_refusal_is_told_in_its_own_words(talking):
    talking.fails = CommandRefused("call_transferred", "The other party was transferred.")
    with pytest.raises(Conflict) as refused:
        await talking.ask(NEWS)
    assert (refused.value.code, refused.value.message) == ("call_transferred", "The other party was transferred.")


async def test_a_fault_of_ours_is_a_refusal_too_and_the_next_command_is_carried_out(talking, caplog):
    talking.fails = RuntimeError("a bug")
    with pytest.raises(Conflict, match="command_failed"):
        await talking.ask(NEWS)
    talking.fails = None
    assert (await talking.ask(NEWS)).done is not None
    assert "Command failed" in caplog.text


async def test_variables_that_were_set_are_noted_and_what_was_sent_stays(talking):
    await talking.workspace.set_call(
        talking.call_id, variables={"name": "Jane", "plan": "Free"}, noted={"mood": "good", "plan": "Pro"}
    )
    await talking.ask(SetVariables(values={"plan": "Premium"}))
    call = await talking.workspace.call(talking.call_id)
    assert call.variables == {"name": "Jane", "plan": "Free"}
    assert call.noted == {"mood": "good", "plan": "Premium"}


async def test_as_many_variables_as_may_be_sent_leave_room_for_those_that_are_set(talking):
    await talking.workspace.set_call(talking.call_id, variables={str(n): n for n in range(200)})
    assert (await talking.ask(SetVariables(values={"one more": 1}))).done is not None
    assert (await talking.workspace.call(talking.call_id)).noted == {"one more": 1}


@pytest.mark.parametrize(
    ("noted", "values", "field", "reason"),
    [
        ({str(n): n for n in range(200)}, {"0": "a", "more": 1}, "more", "is one more than 200"),
        ({f"a{n}": "x" * 15_900 for n in range(4)}, {"b": "y" * 1_000}, "b", "has no room"),
        ({}, {"b": "y" * 16_001}, "b", "is larger than 16000 bytes"),
    ],
    ids=["too many", "too much", "too large"],
)
async def test_what_could_not_be_noted_is_refused_by_its_name(talking, noted, values, field, reason):
    await talking.workspace.set_call(talking.call_id, noted=noted)
    with pytest.raises(Invalid) as refused:
        await talking.ask(SetVariables(values=values))
    assert (refused.value.field, reason in refused.value.message) == (field, True)
    assert (await talking.workspace.call(talking.call_id)).noted == noted


async def test_what_is_noted_from_outside_comes_back_equal(talking):
    values = {"numbers": [0, -0.0, 2**63 - 1, 0.1, 1e-7, 1.2345678901234567e19, 1e300, 5e-324], "deep": {"a": [[None]]}}
    await talking.ask(SetVariables(values=values))
    assert talking.done == [SetVariables(values=values)]
    assert (await talking.workspace.call(talking.call_id)).noted == values


async def test_there_is_always_room_for_a_wish_not_to_be_called(talking):
    await talking.workspace.set_call(talking.call_id, noted={str(n): n for n in range(200)})
    await talking.ask(SetVariables(values={"do_not_call": True}))
    assert (await talking.workspace.call(talking.call_id)).noted["do_not_call"] is True


@pytest.mark.parametrize("state", ["queued", "dialing", "ringing", "in_progress", "transferred", "ended"])
async def test_only_a_call_with_a_conversation_can_be_told_something(office, state):
    workspace = office.workspace
    code = "call_not_in_progress"
    match state:
        case "queued":
            office.call_id = await workspace.queue()
        case "in_progress":  # and no audio yet
            await workspace.hears(office.attempt_id, CallState.IN_PROGRESS)
        case "transferred":
            await workspace.hears(office.attempt_id, CallState.IN_PROGRESS)
            await workspace.set_attempt(office.attempt_id, stream_opened_at=datetime.now(UTC), owner=None)
            code = "call_transferred"
        case "ended":
            await workspace.hears(office.attempt_id, CallState.ENDED, "busy")
            code = "call_ended"
        case _:
            await workspace.hears(office.attempt_id, CallState(state))
    with pytest.raises(Conflict) as refused:
        await office.ask(NEWS)
    assert refused.value.code == code
    assert office.begun == []


async def test_the_calls_of_others_are_unknown(office, make_workspace):
    other = await make_workspace()
    for where in ({"workspace_id": other.id}, {"call_id": "call_none"}, {"call_id": "call_\0"}):
        with pytest.raises(NotFound):
            await office.ask(NEWS, **where)
