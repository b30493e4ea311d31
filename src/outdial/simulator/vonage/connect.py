"""The connect action to a websocket: a leg of its own between a phone and the customer's server."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from outdial.simulator import websocket
from outdial.simulator.faults import FaultKind
from outdial.simulator.line import Nobody
from outdial.simulator.vonage import events
from outdial.simulator.vonage.account import VonageAccount
from outdial.simulator.vonage.call import PhoneLeg
from outdial.simulator.vonage.legs import Leg, LegStatus, new_uuid
from outdial.simulator.vonage.media import MediaSocket
from outdial.simulator.vonage.ncco import Ncco, WebSocketEndpoint
from outdial.simulator.vonage.webhooks import Webhook

Report = Callable[[dict[str, Any]], Awaitable[Ncco | None]]


class SocketLeg:
    """A call.WebSocketLeg."""

    def __init__(self, live: PhoneLeg, endpoint: WebSocketEndpoint, webhook: Webhook | None) -> None:
        phone = live.leg
        self.leg = Leg(
            uuid=new_uuid(),
            call_id=phone.call_id,
            conversation_uuid=phone.conversation_uuid,
            application_id=phone.application_id,
            to={"type": "websocket", "uri": endpoint.uri, "content-type": endpoint.content_type},
            from_=phone.to if phone.direction == "inbound" else phone.from_,
            direction="outbound",
            created_at=live.now(),
            headers=endpoint.headers,
        )
        self.webhook = webhook
        self.closed: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._live = live

    def hang_up(self) -> None:
        """From our side: the customer asked for it through REST."""
        self.close(None)

    def close(self, code: int | None) -> None:
        if not self.closed.done():
            self.closed.set_result(code)

    def tell(self, status: LegStatus) -> None:
        self.leg.status = status
        if status is LegStatus.ANSWERED:
            self.leg.answered_at = self._live.now()
        self.post(events.progress(self.leg, self._live.now()))

    def end(self, status: LegStatus) -> None:
        self.leg.ended_at = self._live.now()
        self.tell(status)

    def post(self, body: dict[str, Any]) -> None:
        self._live.post(events.STREAM, body, self.webhook)


async def connect_websocket(
    account: VonageAccount,
    live: PhoneLeg,
    endpoint: WebSocketEndpoint,
    limit_s: int,
    webhook: Webhook | None,
    report: Report,
) -> Ncco | None:
    """Media both ways until one side closes the websocket; `report` is told how it failed or broke."""
    socket_leg = SocketLeg(live, endpoint, webhook)
    leg = socket_leg.leg
    account.legs.add(leg)
    account.sockets[leg.uuid] = socket_leg
    try:
        socket_leg.tell(LegStatus.STARTED)
        if live.strikes(FaultKind.STREAM_NEVER_STARTED):
            await asyncio.Event().wait()
        headers = _handshake_headers(account, live, endpoint)
        closed_by_us = await _stream(live, socket_leg, endpoint, limit_s, headers)
        return None if closed_by_us else await report(events.disconnected(leg, live.now()))
    except websocket.HandshakeFailed as exc:
        live.note(f"The websocket failed: {exc}", endpoint.uri)
        timed_out = isinstance(exc, websocket.HandshakeTimedOut)
        leg.status, leg.ended_at = (LegStatus.UNANSWERED if timed_out else LegStatus.FAILED), live.now()
        return await report(events.progress(leg, live.now()))
    finally:
        del account.sockets[leg.uuid]
        if leg.ended_at is None:
            socket_leg.end(LegStatus.COMPLETED)


async def _stream(
    live: PhoneLeg, socket_leg: SocketLeg, endpoint: WebSocketEndpoint, limit_s: int, headers: dict[str, str]
) -> bool:
    """Whether it was us who closed it. Raises websocket.HandshakeFailed."""
    media = MediaSocket(
        lambda message: socket.send(message),
        content_type=endpoint.content_type,
        rate_hz=endpoint.rate_hz,
        headers=endpoint.headers,
    )
    socket = await websocket.connect(
        _without_fragment(endpoint.uri),
        headers,
        on_message=media.receive,
        on_close=socket_leg.close,
    )
    loop = asyncio.get_running_loop()
    timers = [loop.call_later(limit_s, socket_leg.hang_up)]
    if cut := live.strikes(FaultKind.STREAM_CUT):
        timers.append(loop.call_later(cut.after_ms / 1000, socket.cut))
    if garbled := live.strikes(FaultKind.MEDIA_GARBLED):
        socket.garble(garbled.after_ms / 1000)
    socket_leg.tell(LegStatus.ANSWERED)
    media.start()
    live.audio.party = media
    try:
        code = await socket_leg.closed
    finally:
        for timer in timers:
            timer.cancel()
        live.audio.party = Nobody()
        socket.close()
        if media.dropped:
            live.note(f"{media.dropped} messages on the websocket were of no use", endpoint.uri)
    return code is None


def _handshake_headers(account: VonageAccount, live: PhoneLeg, endpoint: WebSocketEndpoint) -> dict[str, str]:
    headers = {"User-Agent": "Vonage/1.0"}
    authorization = endpoint.authorization
    if authorization is None:
        return headers
    if authorization.type == "custom":
        return {**headers, "Authorization": authorization.value}
    return {**headers, "Authorization": account.signer(live.application).bearer()}


def _without_fragment(uri: str) -> str:
    return urlunsplit((*urlsplit(uri)[:4], ""))
