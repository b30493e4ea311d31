"""Who may listen to a call, what is written down of it, and what its callee is told."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import select, text

from live.talking import Line, Talking, ringing, sign_with
from outdial.conversation.commands import CommandRefused
from outdial.db.tables import audit_log
from outdial.live.listening_in.joining import MOST_OF_A_CALL, ListeningIn
from outdial.refusals import Conflict, LimitReached, NotFound
from outdial.workspaces.audit import COMMAND_LINE, Actor, ActorKind
from outdial.workspaces.listening import Announce, ListeningNotice, change_listening_notice
from workspace import until

JANE = Actor(kind=ActorKind.PERSON, id="person_jane", name="Jane")
TOLD = "This call may be listened to."


class Room:
    """A process that talks on one call, and who listens there."""

    def __init__(self, workspace, talking, listening, claim) -> None:
        self.workspace, self.talking, self.listening, self.claim = workspace, talking, listening, claim
        self.line = None

    async def answered(self):
        self.line = await self.talking.answered(self.claim)

        async def in_progress():
            return (await self.workspace.call(self.claim.call_id)).state == "in_progress"

        await until(in_progress)

    async def join(self, by=JANE):
        return await self.listening.join(self.workspace.id, self.claim.call_id, by)

    async def notice(self, announce, text=None):
        given = ListeningNotice(announce=announce, text=text)
        await change_listening_notice(self.workspace.engine, self.workspace.id, given, by=COMMAND_LINE)

    async def audited(self):
        query = select(audit_log).where(audit_log.c.subject_id == self.claim.call_id).order_by(audit_log.c.id)
        async with self.workspace.engine.connect() as conn:
            return (await conn.execute(query)).all()

    async def hears(self, line="agent", times=1):
        async def said():
            return self.talking.voice.spoken.count(line) >= times

        await until(said)


@pytest.fixture
async def room(workspace):
    await sign_with(workspace)
    talking = Talking(workspace)
    listening = ListeningIn(workspace.engine, talking.conversations)
    yield Room(workspace, talking, listening, await ringing(workspace))
    await talking.aclose()
    await listening.aclose()


@asynccontextmanager
async def joined(room, by=JANE):
    one = await room.join(by)
    try:
        yield one
    finally:
        room.listening.leave(one)


async def test_who_listened_from_when_to_when_is_in_the_audit_log_and_that_somebody_did_in_the_call(room):
    await room.answered()
    async with joined(room):
        (began,) = await room.audited()  # before a sound is heard
        assert (began.act, began.actor_id) == ("call.listening_began", "person_jane")
        assert began.workspace_id == room.workspace.id
        await asyncio.sleep(0.3)

    async def written():
        return len(await room.audited()) == 2

    await until(written)
    _, ended = await room.audited()
    assert (ended.act, ended.actor_name) == ("call.listened_to", "Jane")
    assert 0.2 < ended.details["seconds"] < 20
    assert began.at.isoformat()[:10] == ended.details["from"][:10] <= ended.details["to"]
    assert await room.workspace.events(room.claim.call_id, "listener_joined") == [{}]
    (left,) = await room.workspace.events(room.claim.call_id, "listener_left")
    assert left == {"listened_s": ended.details["seconds"]}


async def test_both_sides_come_in_blocks_until_the_call_ends(room):
    await room.notice(Announce.NEVER)
    await room.answered()
    async with joined(room) as one:
        blocks = []
        while len(blocks) < 3:
            blocks += await one.take(1.0)
        assert all((len(block.callee), len(block.agent)) == (800, 800) for block in blocks)
        room.line.stops()
        await room.talking.rests()
        assert one.is_over
    assert room.listening._taps == {}


@pytest.mark.parametrize(
    ("announce", "text", "spoken"),
    [
        (None, None, [TOLD]),  # as it is where nobody has said anything
        (Announce.ON_JOIN, "We listen.", ["We listen."]),
        (Announce.NEVER, "We listen.", []),
    ],
)
async def test_the_callee_is_told_once_however_many_listen(room, announce, text, spoken):
    if announce is not None:
        await room.notice(announce, text)
    await room.answered()
    async with joined(room), joined(room, Actor(kind=ActorKind.PERSON, id="person_bob", name="Bob")):
        if spoken:
            await room.hears(spoken[0])
        await asyncio.sleep(0.2)
        assert room.talking.voice.spoken == spoken


async def test_on_every_call_it_is_said_before_the_first_words_and_not_again(room):
    async def greets(call):
        await call.say("Hello.")
        room.talking.begun.set()
        await room.talking.done.wait()

    room.talking.agents.conversation = greets
    await room.notice(Announce.AT_START)
    start = await room.talking.open(room.claim)
    room.line = Line()
    room.line.media_line = start(room.line)
    room.line.starts()
    await room.hears(TOLD)
    assert room.talking.voice.spoken[0] == TOLD
    async with joined(room):
        await asyncio.sleep(0.2)
    assert room.talking.voice.spoken.count(TOLD) == 1


async def test_nobody_hears_the_call_before_its_callee_was_told(room):
    """Nor who joins while the sentence is being said."""
    await room.answered()
    session = room.talking.conversations.session(room.claim.call_id)
    carry_out, may_say = session.carry_out, asyncio.Event()

    async def at_the_next_pause(command):
        await may_say.wait()
        return await carry_out(command)

    session.carry_out = at_the_next_pause
    async with joined(room) as one, joined(room, Actor(kind=ActorKind.PERSON, id="person_bob", name="Bob")) as two:
        assert [await each.take(0.5) for each in (one, two)] == [[], []]
        assert room.talking.voice.spoken == []
        told_ms = room.line.media_line.now_ms()
        may_say.set()
        heard = [(await each.take(10.0))[0] for each in (one, two)]
        assert room.talking.voice.spoken == [TOLD]
        assert all(block.at_ms >= told_ms for block in heard)
        async with joined(room) as third:
            assert await third.take(1.0)


async def test_who_listens_where_the_callee_can_not_be_told_hears_nothing(room, monkeypatch, caplog):
    monkeypatch.setattr("outdial.live.listening_in.joining.TELL_PAUSE_S", 0.01)
    await room.answered()

    async def refused(command):
        raise CommandRefused("speech_failed", "No voice.")

    room.talking.conversations.session(room.claim.call_id).carry_out = refused
    async with joined(room) as one:
        assert await one.take(5.0) == []
        assert one.is_over
    assert caplog.messages.count("Notice of listening in not said; listening ended") == 1


async def test_of_an_agent_that_says_nothing_the_callee_is_told_all_the_same(room, monkeypatch):
    monkeypatch.setattr("outdial.live.listening_in.joining.TELL_PAUSE_S", 0.01)
    await room.notice(Announce.AT_START)
    start = await room.talking.open(room.claim)
    room.line = Line()
    room.line.media_line = start(room.line)
    room.line.starts()
    await room.talking.begun.wait()

    async def in_progress():
        return (await room.workspace.call(room.claim.call_id)).state == "in_progress"

    await until(in_progress)
    async with joined(room) as one:
        await room.hears(TOLD)
        assert await one.take(10.0)
    assert room.talking.voice.spoken == [TOLD]


async def test_a_dozen_listen_and_no_more(room):
    await room.notice(Announce.NEVER)
    await room.answered()
    here = [await room.join() for _ in range(MOST_OF_A_CALL)]
    with pytest.raises(LimitReached):
        await room.join()
    room.listening.leave(here.pop())
    async with joined(room):
        pass
    for one in here:
        room.listening.leave(one)
    assert room.line.media_line._listeners == [room.talking.conversations.session(room.claim.call_id)]


async def test_what_cannot_be_heard_says_why(room, make_workspace):
    with pytest.raises(Conflict, match="call_not_in_progress"):  # it rings
        await room.join()
    await room.answered()
    other = await make_workspace()
    with pytest.raises(NotFound):
        await room.listening.join(other.id, room.claim.call_id, JANE)
    with pytest.raises(NotFound):
        await room.listening.join(room.workspace.id, "call_none", JANE)
    elsewhere = ListeningIn(room.workspace.engine, None)
    with pytest.raises(Conflict, match="media_elsewhere"):
        await elsewhere.join(room.workspace.id, room.claim.call_id, JANE)
    assert await room.audited() == []  # nobody has heard anything
    room.talking.done.set()
    await room.talking.rests()
    with pytest.raises(Conflict, match="call_ended"):
        await room.join()


async def test_who_is_refused_by_the_database_hears_nothing(room):
    await room.answered()
    async with room.workspace.engine.begin() as conn:
        await conn.execute(text("ALTER TABLE audit_log ADD CONSTRAINT none CHECK (act <> 'call.listening_began')"))
    try:
        with pytest.raises(Exception, match="none"):
            await room.join()
    finally:
        async with room.workspace.engine.begin() as conn:
            await conn.execute(text("ALTER TABLE audit_log DROP CONSTRAINT none"))
    assert room.listening._taps == {}
    assert room.listening._joining == {}
