"""A stretch of a realtime model's talk: audio both ways, until something is to be done that it doesn't do itself."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from outdial.agents.llm.chat import AgentSaid, CalleeSaid, Message, Remark, ToolCall
from outdial.agents.llm.history import WHISPERED, shortened
from outdial.agents.llm.quiet import KEEP_S
from outdial.agents.llm.texts import without_brackets
from outdial.agents.realtime import protocol
from outdial.agents.realtime.callee import Callee, CalleeTurn
from outdial.agents.realtime.definition import RealtimeAgent, TurnDetection
from outdial.agents.realtime.items import answer, items_of
from outdial.agents.realtime.link import Link
from outdial.agents.realtime.mouth import Mouth
from outdial.agents.realtime.protocol import (
    Audio,
    AudioDone,
    Event,
    Failed,
    Ready,
    ResponseBegun,
    ResponseDone,
    SpeechStarted,
    SpeechStopped,
    Transcribed,
    Words,
)
from outdial.agents.realtime.spending import Spending
from outdial.conversation.live_call import LiveCall
from outdial.conversation.straight_audio import Answers, StraightAudio
from outdial.conversation.transcript import ReplyTimes
from outdial.media.frames import BYTES_PER_MS
from outdial.media.g711 import pcm_to_ulaw, ulaw_to_pcm

LOOK_MS = 200         # while nothing happens
WORDS_S = 0.05        # between two looks for the callee's last words
DIGITS_S = 1.5        # after the last one the model is told of them
UNWRITTEN = "[not written down]"
BROKE_OFF = Remark(
    "The connection to you broke off for a moment. What the callee said just then is lost: go on, and ask them to say "
    "it again if you need it."
)
FATAL = frozenset({"insufficient_quota", "invalid_api_key", "billing_hard_limit_reached", "model_not_found"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """Somebody from outside has the word."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Tools that the model called; `said`: it spoke along with them, `interrupted`: the callee into that."""

    calls: tuple[ToolCall, ...]
    said: bool
    interrupted: bool


@dataclass(frozen=True, slots=True)
class Silence:
    """The callee says nothing."""


@dataclass(frozen=True, slots=True)
class Slow:
    """The callee has heard nothing for as long as it may."""


@dataclass(frozen=True, slots=True)
class NoMoreCalls:
    """The callee wants none."""


@dataclass(frozen=True, slots=True)
class AtLimit:
    limit: str


@dataclass(frozen=True, slots=True)
class Gone:
    """The model can't go on; `word` says why."""

    word: str


Ending = Wanted | Calls | Silence | Slow | NoMoreCalls | AtLimit | Gone


class Talking:
    """Of one call. `history` is what was said so far, and grows; `wants_no_more` judges the callee's words; `heard` is
    told that they have said something. Feed it with `take`, from its link. It is the call's Ears."""

    def __init__(
        self,
        agent: RealtimeAgent,
        call: LiveCall,
        history: list[Message],
        spending: Spending,
        wants_no_more: Callable[[str], bool],
        heard: Callable[[], object],
    ) -> None:
        self.waits_s: float | None = None  # of silence that the callee is allowed once
        self._agent = agent
        self._call = call
        self._history = history
        self._spending = spending
        self._wants_no_more = wants_no_more
        self._heard = heard
        self._now = asyncio.get_running_loop().time
        self._link: Link
        self._line: StraightAudio | None = None
        self._last_line: StraightAudio | None = None
        self._mouth = Mouth()
        silence_ms = agent.silence_ms if agent.turn_detection is TurnDetection.SILENCE else 0
        self._callee = Callee(padding_ms=protocol.PADDING_MS, silence_ms=silence_ms)
        self._untold: list[Message] = []  # of the history, that the server has to know
        self._session_told = 0            # the session that has the history
        self._events: list[Event] = []    # that aren't looked at yet
        self._dropped: set[str] = set()   # responses that the callee has cut off
        self._active: str | None = None   # the response that is coming
        self._wants_response = False
        self._calls: Calls | None = None  # until what was said along with them was heard
        self._due_since: float | None = None   # an answer is due
        self._quiet_since = self._now()
        self._speaks = False              # the callee
        self._answers: Answers | None = None
        self._reply: ReplyTimes | None = None
        self._digits, self._digit_at = "", 0.0
        self._failures = 0                # answers in a row that came to nothing
        self._done: Ending | None = None

    def begin(self, link: Link) -> None:
        self._link = link
        link.when_news(self._wake)

    def take(self, event: Event) -> None:
        self._events.append(event)

    # -- for whoever leads the call ------------------------------------------------------------------------------

    @property
    def session(self) -> int:
        """The server's, by its number."""
        return self._link.sessions

    def respond(self) -> None:
        """The model has the word."""
        self._wants_response = True
        self._due_since = self._now()

    def tell(self, *messages: Message) -> None:
        """Part of the conversation, which the server comes to know."""
        self._history += messages
        self._untold += messages

    def tells(self, message: Message) -> None:
        """What stands in the history, and the server doesn't know."""
        self._untold.append(message)

    def tells_from(self, place: int) -> None:
        """The history has grown from there on, by what the server doesn't know."""
        self._untold += self._history[place:]

    def answer(self, call: ToolCall, text: str, session: int) -> None:
        """Of a tool that the server's `session` called."""
        if session == self.session:
            self._link.send(protocol.create_item(answer(call, text)))

    def was_quiet(self) -> None:
        """We have spoken, or the callee."""
        self._quiet_since = self._now()

    async def stretch(self) -> Ending:
        """Raises CallEnded once the call is over."""
        straight = self._call.straight(self)
        assert straight is not None
        async with straight as line:
            self._line = self._last_line = line
            self._speaks = False
            self.was_quiet()
            try:
                while (ending := self._step(line)) is None:
                    await line.wait(LOOK_MS)
                if isinstance(ending, Wanted | NoMoreCalls | AtLimit):
                    self._cut(line)
            finally:
                self._line = None
        self._mouth.settle()
        self._note_heard()
        return ending

    async def last_words(self, most_s: float) -> None:
        """After the last stretch: what the callee has said and isn't written down yet is waited for."""
        by = self._now() + most_s
        while True:
            events, self._events = self._events, []
            for event in events:
                if isinstance(event, Transcribed):
                    self._transcribed(event)
            if not self._callee.is_pending or not self._link.is_up or self._now() >= by:
                break
            await asyncio.sleep(WORDS_S)
        for turn in self._callee.begin_anew():
            self._write_down(turn)

    # -- Ears ----------------------------------------------------------------------------------------------------

    def hears(self, pcm: bytes, at_ms: int) -> None:
        if self._link.is_up:
            self._callee.sent.sent(len(pcm) // BYTES_PER_MS, at_ms)
            self._link.send(protocol.append(pcm_to_ulaw(pcm)))

    def sees_digit(self, digit: str) -> None:
        self._digits += digit
        self._digit_at = self._now()

    # -- a step ----------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        if self._line is not None:
            self._line.wake()

    def _step(self, line: StraightAudio) -> Ending | None:
        events, self._events = self._events, []
        self._done = None
        for event in events:
            self._take(event, line)
        self._mouth.pump(line)
        self._note_heard()
        self._tell_digits(line)
        for text in self._call.whispers.take():
            self.tell(Remark(WHISPERED.format(text)))
        if self._active is None and self._calls is None:
            self._sync()
            self._ask()
        if not self._mouth.is_silent or self._speaks:
            self.was_quiet()
        return self._done or self._ending(line)

    def _ending(self, line: StraightAudio) -> Ending | None:
        self._spending.at(self._now())
        if (limit := self._spending.limit()) is not None and (self._mouth.is_silent or limit == "seconds"):
            return AtLimit(limit)
        if line.is_wanted:
            return Wanted()
        if not self._mouth.is_silent:
            return None
        if self._link.failure is not None:
            return Gone(self._link.failure.word)
        if self._calls is not None:
            calls, self._calls = self._calls, None
            return calls
        now = self._now()
        if self._due_since is not None and not self._speaks:
            if now - self._due_since > self._agent.answer_s:
                return self._no_answer("no_answer")
            return Slow() if now - self._quiet_since >= KEEP_S else None
        if self._active is None and not self._speaks:
            patience_s = self.waits_s or self._agent.no_reply_s
            return Silence() if now - self._quiet_since >= patience_s else None
        return None

    def _sync(self) -> None:
        if self._untold and self._link.is_up and self._session_told == self.session:
            for item in items_of(self._untold):
                self._link.send(protocol.create_item(item))
            self._untold.clear()

    def _ask(self) -> None:
        if self._wants_response and self._link.is_up and self._session_told == self.session and not self._speaks:
            self._wants_response = False
            self._due_since = self._due_since or self._now()
            self._link.send(protocol.respond())

    def _no_answer(self, word: str) -> Ending | None:
        """Once more, on a new connection; then the model is given up."""
        self._failures += 1
        if self._failures > 1 or word in FATAL:
            return Gone(word)
        self._active = None
        self.respond()
        if word == "no_answer":
            self._link.renew()
        return None

    # -- what the server tells -------------------------------------------------------------------------------------

    def _take(self, event: Event, line: StraightAudio) -> None:
        match event:
            case Ready():
                self._tell_all()
            case SpeechStarted(item=item, at_ms=at_ms):
                self._callee_began(item, at_ms, line)
            case SpeechStopped(item=item, at_ms=at_ms):
                self._callee_stopped(item, at_ms, line)
            case Transcribed():
                self._transcribed(event)
            case ResponseBegun(response=response):
                self._active, self._wants_response = response, False
                if self._reply is not None:
                    self._answers = Answers(reply=self._reply, asked_ms=line.now_ms())
            case Audio(response=response) if response not in self._dropped:
                self._audio(event)
            case Words(response=response) if response not in self._dropped:
                self._mouth.words(event, self.session, self._answers)
                if event.whole:
                    line.words_are_known()
            case AudioDone(item=item):
                self._mouth.finish(item)
            case ResponseDone():
                self._response_done(event)
            case Failed(code=code) if code not in protocol.HARMLESS:
                self._call.tell("realtime_error", {"code": code})
            case Failed(code="conversation_already_has_active_response"):
                self._wants_response = True

    def _tell_all(self) -> None:
        """To a session that knows nothing of the call."""
        if self._session_told:
            for turn in self._callee.begin_anew():
                self._write_down(turn)
            if self._active is not None or self._speaks or (self._due_since is not None and not self._wants_response):
                self._history.append(BROKE_OFF)
                self.respond()
        self._mouth.finish_response()
        self._active, self._speaks = None, False
        for item in items_of(shortened(self._history)):
            self._link.send(protocol.create_item(item))
        self._untold.clear()
        self._session_told = self.session

    def _callee_began(self, item: str, at_ms: int, line: StraightAudio) -> None:
        self._callee.began(item, at_ms)
        self._speaks = line.callee_speaks = True
        line.callee_began()
        self.waits_s = self._due_since = None
        if self._calls is not None:
            self._calls = Calls(self._calls.calls, self._calls.said, interrupted=True)
        self._cut(line)

    def _cut(self, line: StraightAudio) -> None:
        if self._active is not None:
            self._dropped.add(self._active)
        for message in self._mouth.cut(line, self.session):
            self._link.send(message)
        self._note_heard()

    def _callee_stopped(self, item: str, at_ms: int, line: StraightAudio) -> None:
        turn = self._callee.stopped(item, at_ms)
        self._speaks = line.callee_speaks = False
        turn.said = CalleeSaid("")
        self._history.append(turn.said)
        self._heard()
        self.was_quiet()
        self._due_since = self._now()
        assert turn.end_ms is not None
        now_ms = line.now_ms()
        self._reply = ReplyTimes(ended_ms=min(turn.end_ms, now_ms), decided_ms=now_ms, recognised_ms=now_ms)

    def _transcribed(self, event: Transcribed) -> None:
        turn = self._callee.known(event.item, event.text)
        if event.usage:
            self._spending.transcribed(event.usage)
        if turn is None:
            return
        self._write_down(turn)
        if turn.text and self._wants_no_more(turn.text):
            self._done = NoMoreCalls()

    def _write_down(self, turn: CalleeTurn) -> None:
        text = " ".join((turn.text or "").split())
        if turn.said is not None:
            place = next((at for at, one in enumerate(self._history) if one is turn.said), None)
            if place is not None:
                self._history[place] = CalleeSaid(without_brackets(text))
        if text or not turn.is_known or turn.text is None:
            end_ms = turn.start_ms if turn.end_ms is None else turn.end_ms
            if self._last_line is not None:
                self._last_line.callee_said(text or UNWRITTEN, turn.start_ms, end_ms)

    def _audio(self, audio: Audio) -> None:
        if self._due_since is not None:
            self._spending.first_audio(self._now() - self._due_since)
        self._due_since = None
        self._failures = 0
        self._spending.came(len(audio.ulaw) // 8)
        if not self._mouth.feed(audio, ulaw_to_pcm(audio.ulaw), self.session, self._answers):
            self._dropped.add(audio.response)
            self._mouth.finish(audio.item)
            self._link.send(protocol.cancel(audio.response))
            self._call.tell("realtime_error", {"code": "too_much_audio"})

    def _response_done(self, done: ResponseDone) -> None:
        was_dropped, said = done.response in self._dropped, self._spending.answered(done.usage)
        self._dropped.discard(done.response)
        self._mouth.finish_response(done.response)
        self._active = None
        if done.status == "failed":
            self._call.tell("realtime_error", {"code": done.why})
            self._done = self._no_answer(done.why or "failed")
        elif done.calls:
            self._due_since = None
            self._calls = Calls(done.calls, said, interrupted=was_dropped)
        elif done.status == "completed" and not said and self._due_since is not None and not self._wants_response:
            self._done = self._no_answer("empty_answer")
        elif done.status != "completed" and not said and not self._speaks:
            self._due_since = None

    # -- what comes of it -------------------------------------------------------------------------------------------

    def _note_heard(self) -> None:
        while self._mouth.heard:
            speech = self._mouth.heard.popleft().speech
            self.was_quiet()
            if speech.heard:
                self._history.append(AgentSaid(speech.heard))

    def _tell_digits(self, line: StraightAudio) -> None:
        if not self._digits:
            return
        self._cut(line)
        if self._now() - self._digit_at >= DIGITS_S or self._digits.endswith("#"):
            digits, self._digits = self._digits, ""
            self._heard()
            self.tell(CalleeSaid(f"[pressed {digits}]"))
            self.respond()
