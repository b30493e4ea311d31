"""Vonage's Voice API, under /v1: calls, and what can be done to them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from outdial.simulator.dialling import reply_to_dial
from outdial.simulator.faults import ELSEWHERE, Fault, FaultKind
from outdial.simulator.network import Network
from outdial.simulator.vonage import access, actions, administration, errors, events, requests
from outdial.simulator.vonage.account import VonageAccount
from outdial.simulator.vonage.applications import Application
from outdial.simulator.vonage.call import PhoneLeg
from outdial.simulator.vonage.config import VonageConfig
from outdial.simulator.vonage.legs import Leg, LegStatus, digits
from outdial.simulator.vonage.resources import call_json, calls_page
from outdial.simulator.vonage.sound import play_file, press, say
from outdial.simulator.vonage.validation import Invalid, decode
from outdial.simulator.vonage.webhooks import Webhook
from outdial.simulator.waiting import run_until

logger = logging.getLogger(__name__)


Handle = Callable[[Request, Application], Awaitable[Response]]
HandleLive = Callable[[Request, PhoneLeg], Awaitable[Response]]


class VonageRest:
    def __init__(self, network: Network, config: VonageConfig) -> None:
        self.account = VonageAccount(network, config, actions.converse)

    def routes(self) -> list[Route]:
        call = "/v1/calls/{uuid}"
        table: dict[str, dict[str, access.Endpoint]] = {
            "/v1/calls": {"POST": self._authorised(self._create, counted=False), "GET": self._authorised(self._list)},
            call: {"GET": self._authorised(self._fetch), "PUT": self._authorised(self._update)},
            f"{call}/talk": {"PUT": self._on_live(self._talk), "DELETE": self._on_live(self._stop_talk)},
            f"{call}/stream": {"PUT": self._on_live(self._stream), "DELETE": self._on_live(self._stop_stream)},
            f"{call}/dtmf": {"PUT": self._on_live(self._dtmf)},
            f"{call}/input/dtmf": {"PUT": self._on_live(self._listen), "DELETE": self._on_live(self._stop_listening)},
            "/v1/files/{id}": {"GET": self._authorised(self._download, counted=False)},
        }
        return [
            *(access.resource(path, self.account, endpoints, _refusal) for path, endpoints in table.items()),
            *administration.routes(self.account),
        ]

    def _authorised(self, handle: Handle, *, counted: bool = True) -> access.Endpoint:
        """`counted`: towards the requests a second."""

        async def endpoint(request: Request) -> Response:
            application = access.application_of(request, self.account)
            if counted and not self.account.requests.admits(asyncio.get_running_loop().time()):
                raise errors.throttled()
            return await handle(request, application)

        return endpoint

    def _on_live(self, handle: HandleLive) -> access.Endpoint:
        async def endpoint(request: Request, application: Application) -> Response:
            live = self.account.live.get(request.path_params["uuid"])
            if live is None or live.over or not live.answered.is_set():
                raise errors.not_found()
            return await handle(request, live)

        return self._authorised(endpoint)

    # -- calls

    async def _create(self, request: Request, application: Application) -> Response:
        account, faults = self.account, self.account.network.faults
        wanted = requests.create_call(await access.json_body(request))
        to, from_ = wanted.number, self._caller(wanted, application)

        def strikes(kind: FaultKind) -> bool:
            return faults.strike(kind, account=account.account_id, numbers=(to, from_)) is not None

        wishes = requests.wishes(wanted, application.webhook("event_url"))
        if strikes(FaultKind.THROTTLED) or not account.may_dial():
            raise errors.throttled()
        if strikes(FaultKind.ERROR_BEFORE_DIALLING):
            raise errors.unavailable()
        if strikes(FaultKind.REDIRECTED):
            return Response(status_code=307, headers=ELSEWHERE)
        live = account.place(to=to, from_=from_, application=application, wishes=wishes)
        reply = JSONResponse(
            {
                "uuid": live.leg.uuid,
                "status": live.leg.status,
                "direction": live.leg.direction,
                "conversation_uuid": live.leg.conversation_uuid,
            },
            201,
        )
        logger.info("Call accepted", extra={"call_uuid": live.leg.uuid})
        return await reply_to_dial(
            reply, live, start=lambda: account.start(live), strikes=strikes, failure=errors.internal()
        )

    def _caller(self, wanted: requests.CreateCall, application: Application) -> str:
        if wanted.from_ is not None:
            return f"+{digits(wanted.from_.number)}"
        linked = (n.msisdn for n in self.account.numbers.values() if n.app_id == application.id)
        number = next(linked, None)
        if number is None:
            raise Invalid("random_from_number", "no number is linked to the application")
        return f"+{number}"

    async def _list(self, request: Request, application: Application) -> Response:
        query = request.query_params
        size = access.whole_number(request, "page_size", 10, 1, 100)
        first = access.whole_number(request, "record_index", 0, 0)
        if query.get("status", LegStatus.STARTED) not in set(LegStatus):
            raise Invalid("status", f"must be one of {', '.join(LegStatus)}")
        if query.get("order", "asc") not in ("asc", "desc"):
            raise Invalid("order", "must be asc or desc")
        start, end = _instant(request, "date_start"), _instant(request, "date_end")
        found = [
            leg
            for leg in self.account.legs.all()
            if leg.application_id == application.id
            and query.get("status", leg.status) == leg.status
            and query.get("conversation_uuid", leg.conversation_uuid) == leg.conversation_uuid
            and (start is None or leg.created_at >= start)
            and (end is None or leg.created_at <= end)
            and self._strike(FaultKind.FORGOTTEN, leg) is None
        ]
        if query.get("order") == "desc":
            found.reverse()
        return JSONResponse(calls_page(found, first=first, size=size, query=query.multi_items()))

    async def _fetch(self, request: Request, application: Application) -> Response:
        leg = self._leg(request, application)
        if self._strike(FaultKind.LOOK_UP_ERROR, leg) is not None:
            raise errors.unavailable()
        return JSONResponse(call_json(leg))

    async def _update(self, request: Request, application: Application) -> Response:
        wanted = decode(await access.json_body(request), requests.UpdateCall)
        leg = self._leg(request, application)
        if wanted.action == "hangup" and (fault := self._strike(FaultKind.HANG_UP_ERROR, leg)) is not None:
            raise errors.unavailable(fault.retry_after)
        socket = self.account.sockets.get(leg.uuid)
        if socket is not None and wanted.action == "hangup":
            socket.hang_up()
            return Response(status_code=204)
        live = self.account.live.get(leg.uuid)
        if live is None or live.over:
            raise errors.not_found()
        match wanted.action:
            case "hangup":
                live.hang_up()
            case "transfer":
                destination = requests.destination(wanted)
                if not live.answered.is_set():
                    raise errors.not_found()
                live.redirect(destination)
            case "mute" | "unmute":
                live.audio.muted = wanted.action == "mute"
            case "earmuff" | "unearmuff":
                live.audio.earmuffed = wanted.action == "earmuff"
        return Response(status_code=204)

    def _leg(self, request: Request, application: Application) -> Leg:
        leg = self.account.legs.get(request.path_params["uuid"])
        if leg is None or leg.application_id != application.id or self._strike(FaultKind.FORGOTTEN, leg) is not None:
            raise errors.not_found()
        return leg

    def _strike(self, kind: FaultKind, leg: Leg) -> Fault | None:
        network = self.account.network
        call = network.book.get(leg.call_id)
        numbers = () if call is None else (call.to, call.from_)
        return network.faults.strike(kind, account=self.account.account_id, numbers=numbers)

    # -- sounds and digits

    async def _talk(self, request: Request, live: PhoneLeg) -> Response:
        wanted = decode(await access.json_body(request), requests.StartTalk)
        return self._play(live, say(live, wanted.text, wanted.loop), "Talk started")

    async def _stream(self, request: Request, live: PhoneLeg) -> Response:
        wanted = decode(await access.json_body(request), requests.StartStream)
        return self._play(live, play_file(live, wanted.stream_url[0], wanted.loop), "Stream started")

    async def _dtmf(self, request: Request, live: PhoneLeg) -> Response:
        wanted = decode(await access.json_body(request), requests.SendDigits)
        return self._play(live, press(live, wanted.digits), "DTMF sent")

    async def _stop_talk(self, request: Request, live: PhoneLeg) -> Response:
        return self._stop(live, "Talk stopped")

    async def _stop_stream(self, request: Request, live: PhoneLeg) -> Response:
        return self._stop(live, "Stream stopped")

    def _play(self, live: PhoneLeg, sound: Coroutine[Any, Any, None], message: str) -> Response:
        """One sound at a time; it ends with the call."""
        self._silence(live)
        live.sound = live.network.start(run_until(sound, live.ended))
        return JSONResponse({"message": message, "uuid": live.leg.uuid})

    def _stop(self, live: PhoneLeg, message: str) -> Response:
        self._silence(live)
        return JSONResponse({"message": message, "uuid": live.leg.uuid})

    def _silence(self, live: PhoneLeg) -> None:
        if live.sound is not None:
            live.sound.cancel()

    async def _listen(self, request: Request, live: PhoneLeg) -> Response:
        wanted = decode(await access.json_body(request), requests.ListenForDigits)
        webhook = Webhook(url=wanted.event_url[0])

        def report(digit: str) -> None:
            live.post(events.OTHER, events.pressed(live.leg, live.now(), digit, timed_out=False), webhook)

        self._unhook(live)
        live.listening = report
        live.audio.on_key.add(report)
        return Response(status_code=200)

    async def _stop_listening(self, request: Request, live: PhoneLeg) -> Response:
        self._unhook(live)
        return Response(status_code=200)

    def _unhook(self, live: PhoneLeg) -> None:
        if live.listening is not None:
            live.audio.on_key.discard(live.listening)
            live.listening = None

    # -- recordings

    async def _download(self, request: Request, application: Application) -> Response:
        wav = self.account.recordings.get(request.path_params["id"])
        if wav is None:
            raise errors.not_found()
        return Response(wav, media_type="audio/wav")


def _refusal(exc: Invalid) -> errors.RestError:
    return errors.bad_request(exc.name, exc.reason)


def _instant(request: Request, name: str) -> datetime | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text.replace(" ", "+"))  # an unescaped + arrives as a space
    except ValueError:
        raise Invalid(name, "must be an ISO 8601 time") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
