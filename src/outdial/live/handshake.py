"""The media handshake: a carrier opens the audio of an answered call; checked, and its conversation prepared.

The agent is read first and the token used last: a stream that can't be served must not use it up.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping

from sqlalchemy import literal, select
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.accounts.genuine import Genuine
from outdial.agents.ready_agents import UNREADABLE, ReadyAgent, ReadyAgents, not_read
from outdial.background import Background
from outdial.calls.agent_choice import note_version
from outdial.calls.consultations import LEG_MARK, take_consultation
from outdial.calls.ownership import Answered, Lease, StillHeld, take_stream
from outdial.calls.records import read_held
from outdial.carriers.name import CarrierName
from outdial.conversation.media_line import MediaLine, MediaSocket
from outdial.db.engine import reading
from outdial.lines.seats import is_elsewhere
from outdial.live.consultations import Consultations
from outdial.live.conversations import Conversations
from outdial.logs import Seldom
from outdial.repeating import Pauses, repeat
from outdial.telephony.failures import INTERRUPTED, CallError, FailureCode
from outdial.telephony.state import Ending, EndReason
from outdial.workspaces.listening import ListeningNotice, ListeningNotices

logger = logging.getLogger(__name__)

STARTS_WITHIN_S = 1.0  # from the token's use to the accepted socket; the latter is a few lines away
TRIED_AGAIN_WITHIN_S = 1.5  # by a carrier whose stream could not be served
END_AGAIN = Pauses(first_s=0.2, longest_s=2.0, tries=30)  # then the sweep sees a call without a stream
STILL_HELD_TRIES, STILL_HELD_PAUSE_S = 60, 0.1
FINISH_S = 10.0

NOT_SERVED = CallError(
    code=FailureCode.INTERNAL_ERROR, message="Outdial could not take the call's audio in time; its log says why."
)
NOT_STARTED = CallError(
    code=FailureCode.AUDIO_LOST, message="The carrier's audio connection was lost before the conversation began."
)


class MediaHandshake:
    """Opens media streams. One whose socket is lost after the token was used ends its call: nobody would talk."""

    def __init__(
        self,
        engine: AsyncEngine,
        genuine: Genuine,
        agents: ReadyAgents,
        conversations: Conversations,
        consultations: Consultations,
        lease: Lease,
        *,
        starts_within_s: float = STARTS_WITHIN_S,
        tried_again_within_s: float = TRIED_AGAIN_WITHIN_S,
    ) -> None:
        self._engine = engine
        self._genuine = genuine
        self._agents = agents
        self._conversations = conversations
        self._consultations = consultations
        self._lease = lease
        self._starts_within_s = starts_within_s
        self._tried_again_within_s = tried_again_within_s
        self._notices = ListeningNotices(engine)
        self._background = Background()
        self._forged, self._without_token, self._elsewhere = Seldom(), Seldom(), Seldom()
        self._ending = False
        self._awaited: dict[str, asyncio.TimerHandle] = {}  # attempts whose socket should be there any moment

    async def open(
        self, *, carrier: CarrierName, attempt_id: str, token: str, url: str, headers: Mapping[str, str]
    ) -> Callable[[MediaSocket], MediaLine] | None:
        """Check a media websocket's handshake; None refuses it. The token works once.

        The result makes the media line for the accepted socket and starts the conversation. Raises what the database
        raises; then, or cancelled because it took too long or the socket was lost, the call is ended, unless the
        carrier tries again at once.
        """
        try:
            return await self._open(carrier, attempt_id, token, url, headers)
        except BaseException:
            self._background.start(self._end_unless_tried_again(attempt_id, token), name="ending a call without audio")
            raise

    async def _open(
        self, carrier: CarrierName, attempt_id: str, token: str, url: str, headers: Mapping[str, str]
    ) -> Callable[[MediaSocket], MediaLine] | None:
        account = await self._genuine.account_of_attempt(carrier, attempt_id)
        if account is None:
            return None
        if not self._genuine.media_handshake(account, url=url, headers=headers):
            account = await self._genuine.account_of_attempt(carrier, attempt_id, anew=True)
        if account is None or not self._genuine.media_handshake(account, url=url, headers=headers):
            if await self._is_elsewhere(attempt_id):  # signed for the address of another worker
                return None
            if times := self._forged.again():
                logger.warning(
                    "Media stream refused: no valid signature", extra={"attempt_id": attempt_id, "times": times}
                )
            return None
        agent, notice = await self._prepare(attempt_id)
        if token.startswith(LEG_MARK):
            return await self._open_second_leg(carrier, attempt_id, token, agent)
        taking = self._background.start(self._take(attempt_id, token), name=f"stream of {attempt_id}")
        try:
            answered = await asyncio.shield(taking)
        except asyncio.CancelledError:
            self._background.start(self._end_unless_refused(taking, attempt_id), name="ending a lost media stream")
            raise
        if answered is None:
            if await self._is_elsewhere(attempt_id):
                return None
            if times := self._without_token.again():
                logger.warning(
                    "Media stream refused: wrong or used token", extra={"attempt_id": attempt_id, "times": times}
                )
            return None
        if isinstance(agent, CallError):
            self._give_up(attempt_id, agent)
            return None
        if self._ending:
            self._give_up(attempt_id, INTERRUPTED)
            return None
        if agent.version not in (None, answered.call.agent_version):
            await note_version(self._engine, answered.call.id, agent.version)
        return self._start(carrier, answered, agent, notice)

    async def _open_second_leg(
        self, carrier: CarrierName, attempt_id: str, token: str, agent: ReadyAgent | CallError
    ) -> Callable[[MediaSocket], MediaLine] | None:
        """The audio of somebody who is asked to take a callee. Refused, the carrier ends it, or is asked to: whoever
        has it asked waits for its answer, and not for ever."""
        if self._ending or isinstance(agent, CallError):
            return None
        leg = await take_consultation(self._engine, attempt_id, token)
        if leg is None:
            logger.warning("Media stream refused: wrong or used token", extra={"attempt_id": attempt_id})
            return None
        call = (await read_held(self._engine, attempt_id)).call
        return lambda socket: self._consultations.start(carrier, leg, call, agent, socket)

    async def _is_elsewhere(self, attempt_id: str) -> bool:
        """Whether this stream has come to the wrong worker: a proxy or a name leads carriers to another one than they
        were told."""
        query = select(is_elsewhere(literal(attempt_id), self._lease.owner))
        async with reading(self._engine) as conn:
            found = bool(await conn.scalar(query))
        if found and (times := self._elsewhere.again()):
            fields = {"attempt_id": attempt_id, "times": times}
            logger.error("Media stream refused: another worker has its seat", extra=fields)
        return found

    async def _take(self, attempt_id: str, token: str) -> Answered | None:
        """Use the token up; of a call that comes back from a transfer as soon as the conversation before is over."""
        for _ in range(STILL_HELD_TRIES):
            try:
                return await take_stream(self._engine, attempt_id, token, self._lease)
            except StillHeld:
                await asyncio.sleep(STILL_HELD_PAUSE_S)
        logger.warning("Media stream refused: call is still held", extra={"attempt_id": attempt_id})
        return None

    async def turn_away(self) -> None:
        """Begin no conversation any more: a stream that opens from now on ends its call, so that nobody waits in
        silence for a process that ends."""
        self._ending = True
        for attempt_id, lost in list(self._awaited.items()):
            lost.cancel()
            self._give_up(attempt_id, INTERRUPTED)

    async def aclose(self) -> None:
        """Finish ending the calls whose streams were lost or turned away."""
        await self._background.finish(FINISH_S)

    async def _prepare(self, attempt_id: str) -> tuple[ReadyAgent | CallError, ListeningNotice]:
        """The agent of an attempt's call, or why there is none when it can't be read; whether the callee is told that
        people may listen. Raises what the database raises."""
        call = (await read_held(self._engine, attempt_id)).call
        notice = await self._notices.of(call.workspace_id)
        try:
            return await self._agents.agent(call.agent_id or "", call.agent_version or 0), notice
        except UNREADABLE as error:
            logger.exception("Agent not read", extra={"attempt_id": attempt_id, "agent_id": call.agent_id})
            return not_read(error), notice

    def _start(
        self, carrier: CarrierName, answered: Answered, agent: ReadyAgent, notice: ListeningNotice
    ) -> Callable[[MediaSocket], MediaLine]:
        """Start the conversation once the socket is there; end the call if it doesn't come."""
        attempt_id = answered.attempt_id
        lost = asyncio.get_running_loop().call_later(
            self._starts_within_s, self._give_up, attempt_id, NOT_STARTED
        )
        self._awaited[attempt_id] = lost

        def start(socket: MediaSocket) -> MediaLine:
            media_line = self._conversations.start(carrier, answered, agent, socket, notice)
            lost.cancel()  # not before: what fails to start must be ended
            self._awaited.pop(attempt_id, None)
            return media_line

        return start

    async def _end_unless_tried_again(self, attempt_id: str, token: str) -> None:
        """Nobody talks on a call whose stream could not be served, and only its token may end it."""
        await asyncio.sleep(self._tried_again_within_s)
        answered = await repeat(
            lambda: self._take(attempt_id, token),
            on=(OperationalError, InterfaceError, PoolTimeoutError),
            pauses=END_AGAIN,
        )
        if answered is not None:
            await self._conversations.give_up(attempt_id, Ending(end_reason=EndReason.FAILED, error=NOT_SERVED))

    async def _end_unless_refused(self, taking: asyncio.Task[Answered | None], attempt_id: str) -> None:
        """The socket was lost while the token was being used."""
        if await taking is not None:
            await self._conversations.give_up(attempt_id, Ending(end_reason=EndReason.FAILED, error=NOT_STARTED))

    def _give_up(self, attempt_id: str, error: CallError) -> None:
        self._awaited.pop(attempt_id, None)
        ending = Ending(end_reason=EndReason.FAILED, error=error)
        self._background.start(self._conversations.give_up(attempt_id, ending), name="ending a call without audio")
