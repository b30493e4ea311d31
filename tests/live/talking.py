"""A process that talks, put together as app.py does it, and a carrier's end of the audio."""

import asyncio
import json
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha1
from hmac import new as hmac
from typing import Any

import jwt
from sqlalchemy import text, update

from conversation.peers import Detector, Recogniser, Voice
from outdial.accounts.genuine import Genuine
from outdial.calls.claim import Claim
from outdial.calls.ownership import Lease
from outdial.carriers.name import CarrierName
from outdial.conversation.call_facts import Engines
from outdial.conversation.media_line import MediaLine, MediaSocket
from outdial.db.tables import carrier_accounts
from outdial.live.consultations import Consultations
from outdial.live.conversations import Conversations
from outdial.live.handshake import MediaHandshake
from outdial.live.spool import Spool
from outdial.media.pacer import Pacer
from outdial.speech.engines import OwnSpeech
from outdial.telephony.state import CallState
from secret_box import BOX
from workspace import Agents, Workspace, until

AUTH_TOKEN = "12345"
VONAGE_SECRET = "a secret of thirty-two characters"
WORKER = "worker_talking"
TWILIO = CarrierName("twilio")


async def move_to(workspace: Workspace, carrier: CarrierName, attempt_id: str) -> None:
    """The attempt, and its account, are this carrier's."""
    credentials = {
        CarrierName("twilio"): {"account_sid": "AC1", "auth_token": AUTH_TOKEN},
        CarrierName("telnyx"): {"api_key": "KEY1", "public_key": "none, for streams aren't signed"},
        CarrierName("vonage"): {"api_key": "k1", "api_secret": "s1", "signature_secret": VONAGE_SECRET},
    }[carrier]
    async with workspace.engine.begin() as conn:
        sealed = BOX.encrypt(credentials)
        await conn.execute(update(carrier_accounts).values(carrier=carrier, credentials=sealed))
    await workspace.set_attempt(attempt_id, carrier=carrier)


def signed(carrier: CarrierName, url: str, token: str) -> dict[str, str]:
    """The headers of a stream's handshake, as the carrier signs it (Telnyx: not at all)."""
    if carrier == "twilio":
        return {"x-twilio-signature": b64encode(hmac(token.encode(), url.encode(), sha1).digest()).decode()}
    if carrier == "vonage":
        claims = {"iss": "Vonage", "api_key": "k1", "iat": int(time.time())}
        return {"authorization": f"Bearer {jwt.encode(claims, VONAGE_SECRET, algorithm='HS256')}"}
    return {}


async def sign_with(workspace: Workspace, token: str = AUTH_TOKEN) -> None:
    """The account's carrier signs with this token from now on."""
    credentials = BOX.encrypt({"account_sid": "AC1", "auth_token": token})
    async with workspace.engine.begin() as conn:
        await conn.execute(update(carrier_accounts).values(credentials=credentials))


class Line:
    """The carrier's end of one media stream, and the socket it came by."""

    def __init__(self) -> None:
        self.media_line: MediaLine
        self.sent: list[str | bytes] = []
        self.closed_with: int | None = None

    def send(self, message: str | bytes) -> None:
        self.sent.append(message)

    def close(self, code: int = 1000) -> None:
        self.closed_with = self.closed_with or code

    def starts(self) -> None:
        media_format = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
        start = {"streamSid": "MZ1", "callSid": "CA1", "mediaFormat": media_format}
        self.media_line.received(json.dumps({"event": "start", "start": start, "streamSid": "MZ1"}))

    def presses(self, digit: str) -> None:
        dtmf = {"track": "inbound_track", "digit": digit}
        self.media_line.received(json.dumps({"event": "dtmf", "dtmf": dtmf, "streamSid": "MZ1"}))

    def stops(self) -> None:
        """The callee has hung up."""
        self.media_line.received(json.dumps({"event": "stop", "streamSid": "MZ1"}))

    def breaks(self) -> None:
        """The network is gone."""
        self.media_line.disconnected(orderly=False)


class AgentsOf:
    """Every agent holds this conversation; `fault` is what reading one comes to."""

    def __init__(self, conversation: Callable[[Any], Any]) -> None:
        self.conversation = conversation
        self.fault: Exception | None = None
        self.machine_action = "hang_up"
        self.speech = OwnSpeech()
        self.version: int | None = None

    async def agent(self, agent_id: str, version: int) -> Any:
        if self.fault is not None:
            raise self.fault
        agent = await Agents().agent(agent_id, version)
        given = {"machine_action": self.machine_action, "speech": self.speech, "version": self.version}
        return replace(agent, run=self.conversation, **given)


class Talking:
    """A process that holds conversations. Its agent talks until `done` is set, or the call ends."""

    def __init__(self, workspace: Workspace, *, owner: str = WORKER, lease_s: float = 15.0) -> None:
        self.workspace = workspace
        self.done = asyncio.Event()
        self.begun = asyncio.Event()
        self.agents = AgentsOf(self.talk)
        self.voice = Voice()
        engines = Engines(
            speech_to_text=Recogniser(),
            text_to_speech=self.voice,
            voice_activity=Detector(),  # type: ignore[arg-type]
        )
        self.spool = Spool(workspace.settings.data_dir, owner)
        self.conversations = Conversations(
            workspace.engine, workspace.settings, workspace.open_carrier, engines, Pacer(), self.spool
        )
        self.consultations = Consultations(
            workspace.engine, workspace.settings, workspace.open_carrier, engines, Pacer()
        )
        self.lease = Lease(owner=owner, lease_s=lease_s, silent_after_s=workspace.settings.silent_after_s)
        self.handshake = self.handshake_of(self.conversations)

    def handshake_of(self, conversations: Conversations, **limits: float) -> MediaHandshake:
        genuine = Genuine(self.workspace.engine, BOX)
        second_legs = self.consultations
        return MediaHandshake(
            self.workspace.engine, genuine, self.agents, conversations, second_legs, self.lease, **limits
        )

    async def talk(self, call: Any) -> None:
        call.noted["mood"] = "good"
        self.begun.set()
        await self.done.wait()

    async def open(
        self,
        claim: Claim,
        *,
        token: str | None = None,
        signed_with: str = AUTH_TOKEN,
        carrier: CarrierName = TWILIO,
        handshake: MediaHandshake | None = None,
    ) -> Callable[[MediaSocket], MediaLine] | None:
        """The handshake of an attempt's stream, as its carrier makes it."""
        token = token or claim.stream_token
        url = f"wss://voice.example/media/{carrier}/{claim.attempt_id}/{token}"
        return await (handshake or self.handshake).open(
            carrier=carrier,
            attempt_id=claim.attempt_id,
            token=token,
            url=url,
            headers=signed(carrier, url, signed_with),
        )

    async def answered(self, claim: Claim) -> Line:
        """The callee answers: the stream is open, and the agent talks."""
        start = await self.open(claim)
        assert start is not None
        line = Line()
        line.media_line = start(line)
        line.starts()
        async with asyncio.timeout(30):
            await self.begun.wait()
        return line

    async def rests(self) -> None:
        """No conversation is held (any more)."""
        await until(lambda: _is(self.conversations.count == 0))

    async def gave_up(self, claim: Claim, code: str) -> None:
        """The carrier was asked to end the call, and why is on record."""

        async def noted_and_hung_up() -> bool:
            attempt = await self.workspace.attempt(claim.attempt_id)
            return bool(self.workspace.carrier.hung_up) and attempt.ending is not None

        await until(noted_and_hung_up)
        ending = (await self.workspace.attempt(claim.attempt_id)).ending
        assert (ending["end_reason"], ending["error"]["code"]) == ("failed", code)

    async def aclose(self) -> None:
        self.done.set()
        await self.handshake.turn_away()
        await self.conversations.aclose()
        await self.consultations.aclose()
        await self.handshake.aclose()
        await self.spool.aclose()


async def _is(fact: bool) -> bool:
    return fact


async def ringing(workspace: Workspace) -> Claim:
    """A call whose phone rings."""
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.RINGING)
    return claim


async def refuse(workspace: Workspace, table: str, when: str, *, code: str = "57P03") -> None:
    """The database is out of order for changes of this kind (with another code: it doesn't take them)."""
    async with workspace.engine.begin() as conn:
        await conn.execute(
            text(
                "CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
                f" $$ BEGIN RAISE EXCEPTION 'out of order' USING ERRCODE = '{code}'; END $$"
            )
        )
        await conn.execute(
            text(f"CREATE TRIGGER fail BEFORE UPDATE ON {table} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION fail()")
        )


async def accept_again(workspace: Workspace, table: str) -> None:
    async with workspace.engine.begin() as conn:
        await conn.execute(text(f"DROP TRIGGER fail ON {table}"))
