"""Where carriers announce calls to our numbers: verified, decided (calls.inbound), and the carrier told what to do.

What a carrier tells later about a call that came in arrives here as well, where it knows only the account's URL.
"""

import asyncio
import logging
from collections.abc import Mapping

from sqlalchemy import select

from outdial import clock
from outdial.accounts.access import INBOUND
from outdial.accounts.clients import OpenCarrier
from outdial.accounts.genuine import Account, Genuine
from outdial.agents.ready_agents import UNREADABLE, ReadyAgents, not_read
from outdial.background import Background
from outdial.callbacks.inbox import Inbox, Received
from outdial.calls.advance import apply_event
from outdial.calls.inbound import Admitted, Reception, TurnedAway, admit_call, turn_away
from outdial.carriers.callbacks import BadCallback, Callback, CallbackReply, IncomingCall
from outdial.carriers.errors import CarrierError, CarrierRefused, CarrierThrottled, CarrierUnreachable
from outdial.carriers.name import CarrierName
from outdial.db.engine import reading
from outdial.db.tables import attempts
from outdial.db.trouble import tell_trouble
from outdial.settings import media_url
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.failures import CallError
from outdial.telephony.state import CallState, EndReason, Progress

logger = logging.getLogger(__name__)

REPLY_S = 4.0  # the least patient carrier (Telnyx, as we set it up) waits 5 s for a callback's answer
ACCEPT_TRIES, ACCEPT_PAUSE_S = 4, 0.5
FINISH_S = 5.0


class IncomingCalls:
    """Takes calls in. Their worker (`reception.owner`) looks after them until their conversation begins."""

    def __init__(
        self,
        reception: Reception,
        genuine: Genuine,
        open_carrier: OpenCarrier,
        inbox: Inbox,
        agents: ReadyAgents,
    ) -> None:
        self._reception = reception
        self._engine = reception.engine
        self._settings = reception.settings
        self._open_carrier = open_carrier
        self._genuine = genuine
        self._inbox = inbox
        self._agents = agents
        self._telling = Background()

    async def receive(
        self, *, carrier: CarrierName, account_id: str, kind: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[Received, CallbackReply | None]:
        """A request to one of the account's URLs, and what to answer. `url` is the public one the carrier was told."""
        account = await self._genuine.account(carrier, account_id)
        if account is None:
            return Received.UNKNOWN, None
        if not await self._genuine.callback(account, url=url, headers=headers, body=body):
            return Received.FORGED, None
        now = clock.now()
        try:
            incoming = account.kind.incoming(body, received_at=now) if kind == INBOUND else None
            if incoming is not None:
                return Received.STORED, await self._take_in(account, incoming)
            callback = account.kind.parse(kind, body, headers=headers, received_at=now)
        except BadCallback as error:
            logger.warning("Callback not understood", extra={"account_id": account_id, "reason": str(error)})
            return Received.BAD, None
        attempt_id = await self._attempt_of(account, callback)
        if attempt_id is None:
            return Received.STORED, None  # of a call that is not ours
        await self._inbox.store(attempt_id, kind, callback, headers=headers, body=body)
        return Received.STORED, await self._inbox.reply(carrier, attempt_id, kind, body)

    async def aclose(self) -> None:
        """Finish telling carriers what to do."""
        await self._telling.finish(FINISH_S)

    async def _attempt_of(self, account: Account, callback: Callback) -> str | None:
        call = callback.call or callback.left_alone
        if call is None:
            return None
        query = select(attempts.c.id).where(
            attempts.c.carrier == account.carrier,
            attempts.c.carrier_account_id == account.id,
            attempts.c.carrier_call_id == call.id,
        )
        async with reading(self._engine) as conn:
            attempt_id: str | None = await conn.scalar(query)
        return attempt_id

    # -- a call comes in -------------------------------------------------------------------------------------

    async def _take_in(self, account: Account, incoming: IncomingCall) -> CallbackReply | None:
        decision = await admit_call(self._reception, account, incoming)
        if decision is None:
            return None
        if isinstance(decision, Admitted) and (error := await self._cannot_talk(decision)):
            decision = await turn_away(self._engine, decision, incoming.call, error)
        if isinstance(decision, TurnedAway):
            telling = self._telling.start(self._turn_away(account, incoming, decision), name="turning a call away")
        else:
            telling = self._telling.start(self._accept(account, incoming, decision), name="answering a call")
        await asyncio.wait({telling}, timeout=REPLY_S)
        return telling.result() if telling.done() else None

    async def _cannot_talk(self, admitted: Admitted) -> CallError | None:
        """Why the agent can't talk, None if it can: nobody is answered for silence. Raises what the database raises;
        the carrier tells of the call again."""
        try:
            agent = await self._agents.agent(admitted.agent_id, admitted.agent_version)
        except UNREADABLE as error:
            fields = {"attempt_id": admitted.attempt_id, "agent_id": admitted.agent_id}
            logger.exception("Agent not read", extra=fields)
            return not_read(error)
        return None if agent.check is None else agent.check({})  # nothing is sent with a call that comes in

    async def _accept(
        self, account: Account, incoming: IncomingCall, admitted: Admitted
    ) -> CallbackReply | None:
        for tries_left in reversed(range(ACCEPT_TRIES)):
            try:
                carrier = await self._open_carrier(account.id)
                return await carrier.accept(
                    incoming,
                    ref=admitted.attempt_id,
                    callback_url=self._settings.callback_url(account.carrier, admitted.attempt_id),
                    stream_url=media_url(
                        admitted.seat.stream_url, account.carrier, admitted.attempt_id, admitted.stream_token
                    ),
                    max_duration_s=admitted.max_duration_s,
                )
            except (CarrierUnreachable, CarrierThrottled) as error:  # nothing was done: the caller still waits
                if not tries_left:
                    self._note("Incoming call not answered", admitted, error)
            except CarrierRefused as error:
                self._note("Incoming call not answered", admitted, error)
                if not admitted.repeated:  # else the first may well have been accepted
                    await self._fail(admitted, incoming.call, error)
                break
            except CarrierError as error:  # perhaps it was: its stream, or the sweep, will tell
                self._note("Incoming call answered; outcome unknown", admitted, error)
                break
            except Exception as error:
                sentence = "Incoming call not answered"
                tell_trouble(self._engine, logger, sentence, error, attempt_id=admitted.attempt_id)
                break
            await asyncio.sleep(ACCEPT_PAUSE_S)
        return None

    async def _fail(self, admitted: Admitted, call: CarrierCall, error: CarrierError) -> None:
        ended = Progress(
            state=CallState.ENDED,
            at=clock.now(),
            carrier_call=call,
            end_reason=EndReason.FAILED,
            error=error.as_call_error(),
        )
        await apply_event(self._engine, admitted.attempt_id, ended)

    async def _turn_away(
        self, account: Account, incoming: IncomingCall, turned_away: TurnedAway
    ) -> CallbackReply | None:
        try:
            carrier = await self._open_carrier(account.id)
            return await carrier.refuse(incoming, sentence=turned_away.sentence)
        except CarrierError as error:
            logger.warning("Incoming call not turned away", extra={"account_id": account.id, **error.codes})
        except Exception as error:
            tell_trouble(self._engine, logger, "Incoming call not turned away", error, account_id=account.id)
        return None

    def _note(self, sentence: str, admitted: Admitted, error: CarrierError) -> None:
        logger.warning(sentence, extra={"attempt_id": admitted.attempt_id, **error.codes})
