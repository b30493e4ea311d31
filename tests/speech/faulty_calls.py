"""A whole call in memory with simulated vendors' speech, of which something goes wrong at some moment; virtual time."""

import asyncio
import math
from enum import StrEnum
from functools import cache

import httpx
import numpy as np

from outdial.conversation.call_facts import CallFacts, Engines, turn_taking_of
from outdial.conversation.media_line import MediaLine
from outdial.conversation.session import Session
from outdial.conversation.understanding.language import language_of
from outdial.live.speech_use import SpeechUse
from outdial.media.frames import FRAME_BYTES, FRAME_MS
from outdial.simulator.faults import Faults
from outdial.speech.choice import RecognitionChoice, VoiceChoice
from outdial.speech.reading.reader import Reading
from outdial.speech.vendor import Access
from outdial.speech.vendors import VENDORS
from outdial.speech.wire import failures
from outdial.speech.wire.failures import VendorFailed, by_status
from outdial.speech.wire.socket import OPEN_S
from outdial.telephony.state import CallDirection
from outdial.testing.engines import Detector
from outdial.testing.line import Carrier, PlainCodec
from speech.recognition.callee import WordEars, plain
from speech.recognition.http_memory import HttpMemory
from speech.synthesis.in_memory import HttpInMemory, InMemory, WordVoice

GREETING = "Hello, here is Ada from Mulberry."
ANSWER = ("Tuesday at ten works. ", "Doctor Quince will wait. ")
GOODBYE = "Thanks and goodbye."
SENTENCES = (GREETING, "".join(ANSWER).strip(), GOODBYE)
AGENT_WORDS = " ".join(SENTENCES).split()
SAID = ("any second week", "that suits me")
LOUD = 45          # from this number on a callee's words are loud enough
MODEL_S = 0.4      # from the callee's words to a model's first sentence, and …
SENTENCE_S = 0.8   # … to the next
OWN_S = 0.4        # until the process's own voice speaks
REPLY_S = 0.4      # until the callee does
INTO_S = 0.4       # how far into something a moment is


class Moment(StrEnum):
    BEFORE = "before the answer"
    GREETING = "while the greeting is spoken"
    CALLEE = "while the callee speaks"
    BETWEEN = "between the callee's end and the final"
    ANSWER = "while the model's answer is spoken"
    SENTENCE = "in the middle of a sentence"
    GOODBYE = "at the end of the call"


class Becomes(StrEnum):
    """What the vendor is from some moment on, for whoever connects or asks."""

    WORKS = "works"
    REFUSES_CONNECTIONS = "refuses connections"
    HANGS = "hangs in the handshake"
    REFUSES_KEY = "refuses the key"
    THROTTLES = "throttles"


STATUS = {Becomes.REFUSES_KEY: 401, Becomes.THROTTLES: 429}


class Outage:
    """Of one vendor's service: InMemory, HttpInMemory or HttpMemory, with a state."""

    is_silent = False
    becomes = Becomes.WORKS

    def open(self):
        """The websockets that are open."""
        return [wire for wire in self.sockets if wire.is_open] if isinstance(self, InMemory) else []

    async def door(self) -> None:
        """Of a websocket. Raises VendorFailed."""
        if self.becomes is Becomes.HANGS:
            await asyncio.sleep(OPEN_S)
        if self.becomes in (Becomes.HANGS, Becomes.REFUSES_CONNECTIONS):
            raise VendorFailed(failures.Fault.UNREACHABLE)
        if (status := STATUS.get(self.becomes)) is not None:
            raise by_status(status)

    async def http_door(self, request) -> httpx.Response | None:
        if self.becomes is Becomes.REFUSES_CONNECTIONS:
            raise httpx.ConnectError("refused", request=request)
        if self.becomes is Becomes.HANGS or self.is_silent:
            await asyncio.sleep(request.extensions["timeout"]["connect"] or math.inf)
            raise httpx.ConnectTimeout("no answer", request=request)
        status = STATUS.get(self.becomes)
        return None if status is None else httpx.Response(status, stream=httpx.ByteStream(b""))


class Wired(Outage, InMemory):
    async def __call__(self, endpoint, receiver):
        await self.door()
        wire = await super().__call__(endpoint, receiver)
        wire.is_silent = self.is_silent
        return wire


class SpeaksByHttp(Outage, HttpInMemory):
    async def handle_async_request(self, request):
        return await self.http_door(request) or await super().handle_async_request(request)


class HearsByHttp(Outage, HttpMemory):
    async def _answer(self, request):
        return await self.http_door(request) or await super()._answer(request)


class HissingVoice(WordVoice):
    """No word is like another's echo."""

    def _word(self, word):
        return hissing(super()._word(word), self.words.index(word))


@cache
def hissing(pcm, place):
    signs = np.random.default_rng(place).choice([-1, 1], len(pcm) // 2)
    return (np.frombuffer(pcm, dtype="<i2") * signs).astype("<i2").tobytes()


class OwnVoice:
    """The process's, in the same words."""

    name = "own"

    def __init__(self, words):
        self._words = words
        self.spoken = []

    async def speak(self, text):
        self.spoken.append(text)
        await asyncio.sleep(OWN_S)
        yield await self._words(text)


async def key():
    return "k"


class FaultyCall:
    """`voice` and `ears` are conformance cases of vendors; None: the process's own."""

    def __init__(self, voice=None, ears=None, *, pacer, language="en-US"):
        self.words = HissingVoice()
        padding = [f"-{place}" for place in range(len(AGENT_WORDS), LOUD)]
        self.words.words = [*AGENT_WORDS, *padding, *" ".join(SAID).split()]
        self.faults = Faults()
        self._pacer = pacer
        self.heard = []    # by the agent
        self.events = []
        self.at = {}       # what happens at a Moment: functions of a service
        self.speaks = self.hears = None
        self._voice = None
        self._loop = asyncio.get_running_loop()
        self._turns = {}
        self._news = asyncio.Event()
        self._spoke = []   # when the callee did
        self._sorry = language_of(language).texts["sorry"]
        self._asked_again = set()  # by which of the agent's turns
        self._ended_at = 0.0
        self.line = Carrier()
        self.use = SpeechUse(lambda type_, data: self.events.append((type_, data)), lambda language: None)
        self.own_ears = WordEars(self.words)
        self.own_voice = OwnVoice(self.words)
        self._cases = voice, ears
        self._language = language

    @property
    def services(self):
        return [service for service in (self.speaks, self.hears) if service is not None]

    async def hold(self):
        """The whole call. Nothing may be left of it."""
        session = self._open()
        line = MediaLine(PlainCodec(), self.line, self._pacer, session, lambda: None)
        session.media_line = self.line.media_line = line
        self._loop.call_soon(self.line.start)
        callee = asyncio.create_task(self._callee())
        try:
            end = await session.run(10.0)
            self._ended_at = self._loop.time()
        finally:
            callee.cancel()
            line.close()
            self.line.close()
            self.use.end()
        await asyncio.sleep(0)
        await self._must_be_empty()
        return end

    def _open(self):
        voice, ears = self._cases
        for case in (voice, ears):
            if case is not None:
                service = self._service(case, hears=case is ears)
                if case is ears:
                    self.hears = service
                else:
                    self.speaks = service
        self._moment(Moment.BEFORE)
        hearing = None if ears is None else self._ears(ears)
        speaking = None if voice is None else self._speaker(voice)
        engines = Engines(
            speech_to_text=self.use.recognition(hearing, self.own_ears, self._language),
            text_to_speech=self.use.voice(speaking, self.own_voice, self._language),
            voice_activity=Detector(),
        )
        facts = CallFacts(
            call_id="call_1", direction=CallDirection.OUTBOUND, user_number="+15550001", agent_number="+15550002",
            max_duration_s=120.0, reading=Reading(language=self._language), turn_taking=turn_taking_of(self._language),
        )  # fmt: skip
        return Session(facts, self._agent, engines, self, None)

    def _service(self, case, *, hears):
        if hears:
            return HearsByHttp(WordEars(self.words), self.faults) if case.simulated is None else Wired(
                case.simulated(), WordEars(self.words), self.faults
            )
        return (SpeaksByHttp if case.by_http else Wired)(case.simulated(), self.words, self.faults)

    def _speaker(self, case):
        access = Access(url="http://vendor.example", key=key)
        options = {"sample_rate": 8000} if case.by_http else {}
        choice = VoiceChoice(vendor=case.vendor, voice="anna", options=options)
        voice = self._voice = VENDORS[case.vendor].synthesiser.open(choice, access, self._language)
        if case.by_http:
            voice._transport = self.speaks
        else:
            voice._open_wire = self.speaks
        return voice

    def _ears(self, case):
        access = Access(url="http://vendor.example/" + case.vendor, key=key)
        engine = VENDORS[case.vendor].recogniser.open(
            RecognitionChoice(vendor=case.vendor, model=case.model), access, self._language
        )
        engine.open_wire = self.hears
        engine.transport = getattr(self.hears, "transport", None)
        return engine

    async def _must_be_empty(self):
        if self._voice is not None:
            await self._voice.aclose()
        for service in self.services:
            assert service.open_sockets == 0
            await service.aclose()
        await asyncio.sleep(0)

    # -- the agent, as models' are: it says what it wrote word for word, and what comes while it says it

    async def _agent(self, call):
        await call.say(GREETING)
        self.heard.append(plain((await call.listen()).text))
        await call.say(self._model())
        self.heard.append(plain((await call.listen()).text))
        await call.say(GOODBYE)

    async def _model(self):
        await asyncio.sleep(MODEL_S)
        yield ANSWER[0]
        await asyncio.sleep(SENTENCE_S)
        yield ANSWER[1]

    # -- the callee

    async def _callee(self):
        moments = Moment.GREETING, Moment.ANSWER, Moment.GOODBYE
        for sentence, moment, said in zip(SENTENCES, moments, (*SAID, None), strict=True):
            first, last = sentence.split()[0], sentence.split()[-1]
            await self._until(lambda turn, first=first: turn.text.startswith(first))
            self._later(INTO_S, moment)
            if moment is Moment.ANSWER:
                self._later(INTO_S + 1.6, Moment.SENTENCE)
            await self._until(lambda turn, last=last: turn.text.endswith(last) and turn.end_ms is not None)
            if said is not None:
                await asyncio.sleep(REPLY_S)
                await self._say(said, told=said == SAID[0])

    async def _say(self, text, *, told):
        pcm = await self.words(text)
        frames = [pcm[at : at + FRAME_BYTES].ljust(FRAME_BYTES, b"\0") for at in range(0, len(pcm), FRAME_BYTES)]
        self.line.mouth.extend(frames)
        lasts_s, now = len(frames) * FRAME_MS / 1000, self._loop.time()
        self._said_last = text
        self._spoke.append((now, now + lasts_s))
        if told:
            self._later(INTO_S, Moment.CALLEE)
            self._later(lasts_s + 0.05, Moment.BETWEEN)
        await asyncio.sleep(lasts_s)

    async def _until(self, is_it):
        """Who is asked to say it again does so meanwhile."""
        while not any(turn.speaker == "agent" and is_it(turn) for turn in self._turns.values()):
            if not await self._say_again():
                self._news.clear()
                await self._news.wait()

    async def _say_again(self):
        asked = {seq for seq, turn in self._turns.items() if turn.text == self._sorry and turn.end_ms is not None}
        if asked <= self._asked_again:
            return False
        self._asked_again |= asked
        await asyncio.sleep(REPLY_S)
        await self._say(self._said_last, told=False)
        return True

    def _later(self, seconds, moment):
        self._loop.call_later(seconds, self._moment, moment)

    def _moment(self, moment):
        if (happens := self.at.pop(moment, None)) is not None:
            for service in self.services:
                happens(service)

    # -- Journal

    def turn(self, turn):
        self._turns[turn.seq] = turn
        self._news.set()

    def event(self, type_, data):
        self.events.append((type_, data))

    # -- what came of it

    @property
    def silence_s(self):
        """The longest in which nobody spoke, from when the audio began to the end of the call."""
        voiced = [(at, at + FRAME_MS / 1000) for at, frame in self.line.heard if any(frame)] + self._spoke
        longest, until = 0.0, 0.0
        for begin, end in sorted([*voiced, (self._ended_at, self._ended_at)]):
            longest, until = max(longest, begin - until), max(until, end)
        return longest

    @property
    def said(self):
        """What reached the callee's ear, word by word."""
        words = self.words.heard(b"".join(frame for _, frame in self.line.heard))
        return [word for word in words if word in AGENT_WORDS]

    @property
    def asked_again(self):
        """How often the callee was asked to say something again."""
        return len(self._asked_again)

    @property
    def replaced(self):
        return [data for type_, data in self.events if type_ == "speech_replaced"]
