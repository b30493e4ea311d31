"""The way from the public URL to the server, gone by doctor as a carrier would go it: name, connection, TLS, proxy,
server; signed callbacks, an event stream, the audio of each worker."""

import asyncio
import json
import socket
import ssl
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.carriers.kind import CarrierKind
from outdial.carriers.signing import TrialSigner
from outdial.cli.findings import Finding
from outdial.cli.way_faults import (
    answer_faults,
    audio_fault,
    events_fault,
    header_fault,
    place_faults,
    request_faults,
    signature_fault,
    summed_up,
)
from outdial.cli.way_seen import Answer, Reached, Sent
from outdial.history.workers import WorkerView
from outdial.self_test.place import AUDIO, CALLBACK, EVENTS, HEADERS, REACHED, path_of
from outdial.self_test.store import Begun, under_way
from outdial.settings import Settings

STEP_S = 5.0
FIRST_EVENT_S = 2.0
HEADER_BYTES = 12_000  # in one line; of an API's or a carrier's tokens few are a tenth of that
QUERY = "a=1&b=x%20y&c=%2B1"  # escaped in ways that are often written anew
BODY = b"a=1&b=x%20y"


class Way:
    """One look. `ahead_s`: how far this machine's clock is ahead of the one that servers go by; `tls`: whom to trust,
    for tests; default: as this system does."""

    def __init__(self, url: str, begun: Begun, *, ahead_s: float, tls: ssl.SSLContext | None = None) -> None:
        self._url = url
        self._begun = begun
        self._ahead = timedelta(seconds=ahead_s)
        self._tls = tls or ssl.create_default_context()

    async def reached(self) -> Reached:
        parts = urlsplit(self._url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(STEP_S):
                found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:  # also a timeout
            return Reached(unresolved=_why(error))
        addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
        refused = {}
        for address in addresses:
            try:
                await self._connect(address, port)
            except OSError as error:
                refused[address] = _why(error)
        if len(refused) == len(addresses) or parts.scheme != "https":
            return Reached(resolved=addresses, refused=refused)
        first = next(address for address in addresses if address not in refused)
        try:
            days_left = await self._connect(first, port, self._tls, host)
        except (OSError, ssl.SSLError) as error:
            fault = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else _why(error)
            # What comes behind it is looked at all the same: this is no call, and the token is good for nothing else.
            self._tls = ssl.create_default_context()
            self._tls.check_hostname, self._tls.verify_mode = False, ssl.CERT_NONE
            return Reached(resolved=addresses, refused=refused, tls=fault)
        return Reached(resolved=addresses, refused=refused, days_left=days_left)

    async def ask(
        self, what: str, *, headers: Mapping[str, str] | None = None, body: bytes = BODY, query: str = ""
    ) -> tuple[Sent, Answer]:
        """A POST, as carriers send callbacks."""
        path = path_of(self._begun.token, what)
        url = self._url + path + (f"?{query}" if query else "")
        sent = Sent(path=path, query=query, body_sha256=sha256(body).hexdigest())
        try:
            async with self._http() as http:
                response = await http.post(url, content=body, headers=headers)
        except httpx.HTTPError as error:
            return sent, Answer(lost=_why(error))
        return sent, self._answer(response.status_code, response.headers, response.text)

    async def signed(self, carrier: str, signer: TrialSigner) -> tuple[Sent, Answer]:
        url = self._url + path_of(self._begun.token, CALLBACK + carrier)
        signed = signer.callback(f"{url}?{QUERY}", datetime.now(UTC) - self._ahead)
        return await self.ask(CALLBACK + carrier, headers=signed.headers, body=signed.body, query=QUERY)

    async def events(self) -> tuple[Answer, float | None]:
        """What the stream begins with, and when that came."""
        began, got = time.monotonic(), ""
        url = self._url + path_of(self._begun.token, EVENTS)
        try:
            async with asyncio.timeout(FIRST_EVENT_S + 1), self._http() as http, http.stream("GET", url) as stream:
                if stream.status_code != 200:
                    return Answer(status=stream.status_code), None
                async for piece in stream.aiter_text():
                    got += piece
                    if "\n\n" in got or "\r\n\r\n" in got:
                        break
        except (httpx.HTTPError, TimeoutError) as error:
            return Answer(lost=_why(error)), None
        data = next((line.removeprefix("data: ") for line in got.splitlines() if line.startswith("data: ")), "")
        return self._answer(200, {}, data), time.monotonic() - began

    async def audio(self, url: str, signers: Mapping[str, TrialSigner]) -> tuple[Sent, Answer]:
        """A media websocket at a worker's address, and one message there and back."""
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidStatus, WebSocketException

        path, now = path_of(self._begun.token, AUDIO), datetime.now(UTC) - self._ahead
        headers: dict[str, str] = {}
        for signer in signers.values():
            headers |= signer.handshake(url + path, now) if signer.handshake is not None else {}
        tls = self._tls if url.startswith("wss://") else None
        opened = connect(url + path, additional_headers=headers, ssl=tls, proxy=None, open_timeout=STEP_S)
        try:
            async with asyncio.timeout(2 * STEP_S), opened as line:
                await line.send("frame")
                answer = self._answer(101, {}, str(await line.recv()))
                return Sent(path=path), answer if await line.recv() == "frame" else Answer(lost="nothing comes back")
        except InvalidStatus as error:
            body = (error.response.body or b"").decode(errors="replace")
            return Sent(path=path), self._answer(error.response.status_code, error.response.headers, body)
        except (OSError, TimeoutError, WebSocketException) as error:
            return Sent(path=path), Answer(lost=_why(error))

    def _http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(verify=self._tls, timeout=STEP_S, trust_env=False, follow_redirects=False)

    def _answer(self, status: int, headers: Mapping[str, str], text: str) -> Answer:
        try:
            seen: Any = json.loads(text)
        except ValueError:
            seen = None
        ours = isinstance(seen, dict) and seen.get("nonce") == self._begun.nonce
        lower = {name.lower(): value for name, value in headers.items()}
        return Answer(status=status, headers=lower, seen=seen if ours else None)

    async def _connect(
        self, address: str, port: int, tls: ssl.SSLContext | None = None, host: str | None = None
    ) -> int | None:
        """The days that its certificate is good for, where there is one. Raises OSError and ssl.SSLError."""
        async with asyncio.timeout(STEP_S):
            _, writer = await asyncio.open_connection(address, port, ssl=tls, server_hostname=host)
        certificate = writer.get_extra_info("peercert")
        writer.transport.abort()
        if not certificate or "notAfter" not in certificate:
            return None
        return int((ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()) // 86_400)


async def way(
    engine: AsyncEngine,
    settings: Settings,
    kinds: Sequence[CarrierKind],
    workers: Sequence[WorkerView],
    *,
    local: str,
    ahead_s: float = 0.0,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Finding]:
    """Everything that can be seen of it from here. `kinds`: the carriers whose signatures are tried; `workers`: those
    with seats; `local`: where a proxy has to lead; `ahead_s`: as `Way` has it."""
    url = settings.public_url
    assert url is not None
    made = ((kind.name, kind.trial_signer) for kind in kinds)
    signers: dict[str, TrialSigner] = {name: new_signer() for name, new_signer in made if new_signer is not None}
    async with under_way(engine, {name: signer.credentials for name, signer in signers.items()}) as begun:
        going = Way(url, begun, ahead_s=ahead_s, tls=tls)
        reached = await going.reached()
        for finding in place_faults(url, reached):
            yield finding
        if not reached.is_reached:
            return
        sent, answer = await going.ask(REACHED, query=QUERY)
        for finding in answer_faults(url, answer, local):
            yield finding
        if answer.seen is not None:
            of_proxy = [finding async for finding in _proxy(going, url, sent, answer, settings.trusted_proxies)]
            summary = summed_up(of_proxy)
            for finding in of_proxy if summary is None else [summary]:
                yield finding
            for kind in kinds:
                if (signer := signers.get(kind.name)) is not None:
                    yield signature_fault(kind.label, kind.name, *await going.signed(kind.name, signer))
        streams = {worker.stream_url: worker for worker in workers if worker.stream_url is not None}
        for at, worker in streams.items():
            alone = [each.stream_url for each in workers].count(at) == 1
            where = f"of {worker.id} on {worker.host}"
            yield audio_fault(where, at, *await going.audio(at, signers), worker.id if alone else None)


async def _proxy(going: Way, url: str, sent: Sent, answer: Answer, trusted: str) -> AsyncIterator[Finding]:
    for finding in request_faults(url, sent, answer, trusted):
        yield finding
    padded = {"X-Padding": "x" * HEADER_BYTES}
    _, padded_answer = await going.ask(HEADERS, headers=padded)
    first, after_s = await going.events()
    for fault in (header_fault(padded_answer, HEADER_BYTES), events_fault(first, after_s, FIRST_EVENT_S)):
        if fault is not None:
            yield fault


def _why(error: BaseException) -> str:
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return f"no answer in {STEP_S:g} s"
    if isinstance(error, socket.gaierror):
        return error.strerror or "not found"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    return getattr(error, "strerror", None) or type(error).__name__
