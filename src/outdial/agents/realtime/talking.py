"""A stretch of a realtime model's talk: audio both ways, until something is to be done that it doesn't do itself."""

import asyncio
from collections import deque
from collections.abc import Callable

from outdial.agents.llm.chat import AgentSaid, CalleeSaid, Remark, ToolCall
from outdial.agents.llm.history import WHISPERED
from outdial.agents.llm.quiet import KEEP_S
from outdial.agents.realtime import protocol
from outdial.agents.realtime.definition import RealtimeAgent
from outdial.agents.realtime.endings import AtLimit, Calls, Ending, Gone, NoMoreCalls, Silence, Slow, Wanted
from outdial.agents.realtime.hearing import Hearing
from outdial.agents.realtime.knowing import BROKE_OFF, Knowing
from outdial.agents.realtime.link import Inbox
from outdial.agents.realtime.mouth import Mouth
from outdial.agents.realtime.protocol import Event, ResponseDone, Transcribed
from outdial.agents.realtime.spending import Spending
from outdial.agents.realtime.watching import Keys, Watch
from outdial.conversation.live_call import LiveCall
from outdial.conversation.straight_audio import Answers, StraightAudio
from outdial.conversation.transcript import ReplyTimes
from outdial.media.g711 import ulaw_to_pcm

LOOK_MS = 200         # while nothing happens
WORDS_S = 0.05        # between two looks for the callee's last words
STALLED_S = 2.0       # of silence in the middle of the model's words
FATAL = frozenset({"insufficient_quota", "invalid_api_key", "billing_hard_limit_reached", "model_not_found"})


class Talking:
    """Of one call. `wants_no_more` judges the callee's words; `heard` is told that they have said something. Feed it
    with `take`, from the link. It is the call's Ears."""

    def __init__(
        self,
        agent: RealtimeAgent,
        call: LiveCall,
        knowing: Knowing,
        spending: Spending,
        wants_no_more: Callable[[str], bool],
        heard: Callable[[], object],
    ) -> None:
        self.waits_s: float | None = None  # of silence that the callee is allowed once
        self._agent = agent
        self._call = call
        self._knowing = knowing
        self._spending = spending
        self._heard = heard
        self._now = asyncio.get_running_loop().time
        self._line: StraightAudio | None = None
        self._mouth = Mouth()
        self.hearing = Hearing(agent, knowing, spending, wants_no_more)
        self._inbox = Inbox()
        self._dropped: deque[str] = deque(maxlen=50)  # responses that the callee has cut off
        self._active: str | None = None   # the response that is coming
        self._wants_response = False
        self._calls: Calls | None = None  # until what was said along with them was heard
        self._due_since: float | None = None   # an answer is due
        self.watch = Watch(self._now)
        self._keys = Keys(self._now)
        self._speaks = False              # the callee
        self._answers: Answers | None = None
        self._reply: ReplyTimes | None = None
        self._broke_off = False           # the model is to know that its connection did
        self._failures = 0                # answers in a row that came to nothing
        self._done: Ending | None = None

    def wake(self) -> None:
        """Something has come, or the link has failed."""
        if self._line is not None:
            self._line.wake()

    def take(self, event: Event, size: int) -> None:
        self._inbox.put(event, size)

    # -- for whoever leads the call ------------------------------------------------------------------------------

    def respond(self) -> None:
        """The model has the word."""
        self._wants_response = True
        self._due_since = self._now()

    async def stretch(self) -> Ending:
        """Raises CallEnded once the call is over."""
        straight = self._call.straight(self)
        assert straight is not None
        async with straight as line:
            self._line = self.hearing.line = line
            self._speaks = False
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

    async def last_words(self, most_s: float) -> bool:
        """After the last stretch: what the callee has said and isn't written down yet is waited for. Whether they want
        no more calls."""
        self._done = None
        by = self._now() + most_s
        while True:
            self._take_late()
            if not self.hearing.callee.is_pending or not self._knowing.link.is_up or self._now() >= by:
                break
            await asyncio.sleep(WORDS_S)
        self.hearing.begin_anew()
        return isinstance(self._done, NoMoreCalls)

    def take_calls(self) -> tuple[ToolCall, ...]:
        """After the last stretch: the tools that the model called, and that nobody has carried out."""
        self._take_late()
        self._forget_answer()
        return () if self._calls is None else self._calls.calls

    def _take_late(self) -> None:
        for event in self._inbox.take():
            match event:
                case Transcribed():
                    self._transcribed(event)
                case ResponseDone(response=response, calls=calls):
                    self._active = None if response == self._active else self._active
                    self._spending.answered(event.usage, calls=bool(calls))
                    before = () if self._calls is None else self._calls.calls
                    self._calls = Calls((*before, *calls), said=False, interrupted=True)

    # -- Ears ----------------------------------------------------------------------------------------------------

    def hears(self, pcm: bytes, at_ms: int) -> None:
        self.hearing.hears(pcm, at_ms)

    def sees_digit(self, digit: str, at_ms: int) -> None:
        self._keys.press(digit, at_ms)

    # -- a step ----------------------------------------------------------------------------------------------------

    def _step(self, line: StraightAudio) -> Ending | None:
        self._done = None
        self._spending.at(self._now())
        for event in self._inbox.take():
            self._take(event, line)
        if not self._knowing.link.is_up:
            self._mouth.finish_response()
            if self._speaks:  # nobody will tell when they stop
                self._speaks = line.callee_speaks = False
                self._due_since, self._broke_off = self._now(), True
                self._forget_answer()
        self._mouth.pump(line)
        self._note_heard()
        if self._broke_off and self._mouth.is_silent:
            self._broke_off = False
            self._knowing.tell(BROKE_OFF)
            self.respond()
        self._tell_keys(line)
        for text in self._call.whispers.take():
            self._knowing.tell(Remark(WHISPERED.format(text)))
        if self._active is None and self._calls is None:
            self._knowing.sync()
            self._ask()
        self.watch.look(speaks=self._speaks, says=not self._mouth.is_silent, starved=self._mouth.is_starved)
        return self._done or self._stalled() or self._ending(line)

    def _ending(self, line: StraightAudio) -> Ending | None:
        is_silent = self._mouth.is_silent
        if is_silent and self._calls is not None and not line.is_wanted:  # before any limit: they were paid for
            calls, self._calls = self._calls, None
            return calls
        if (limit := self._spending.limit()) is not None and (is_silent or limit == "seconds"):
            return AtLimit(limit)
        if line.is_wanted:
            return Wanted()
        if not is_silent:
            return None
        if self._knowing.link.failure is not None:
            return Gone(self._knowing.link.failure.word)
        if self._due_since is not None and not self._speaks:
            if self._now() - self._due_since > self._agent.answer_s:
                return self._no_answer("no_answer")
            return Slow() if self.watch.quiet_s >= KEEP_S else None
        if self._active is None and not self._speaks:
            patience_s = self.waits_s or self._agent.no_reply_s
            return Silence() if self.watch.quiet_s >= patience_s or self.hearing.is_noise else None
        return None

    def _ask(self) -> None:
        is_asked = self._wants_response and self._spending.limit() is None
        if is_asked and self._knowing.is_told and not self._speaks:
            self._wants_response = False
            self._due_since = self._due_since or self._now()
            self._knowing.link.send(protocol.respond())

    def _stalled(self) -> Ending | None:
        """In the middle of its words: another connection is asked to go on."""
        if not self._mouth.is_starved or self.watch.quiet_s < STALLED_S:
            return None
        self._failures += 1
        self._mouth.finish_response()
        self._knowing.link.renew()
        return Gone("no_answer") if self._failures > 1 else None

    def _no_answer(self, word: str) -> Ending | None:
        """Once more, on a new connection; then the model is given up."""
        self._failures += 1
        if self._failures > 1 or word in FATAL:
            return Gone(word)
        self._forget_answer()
        self.respond()
        if word == "no_answer":
            self._knowing.link.renew()
        return None

    def _forget_answer(self) -> None:
        if self._active is not None:  # no more of it will come
            self._active = None
            self._spending.broken_off()

    # -- what the server tells -------------------------------------------------------------------------------------

    def _take(self, event: Event, line: StraightAudio) -> None:
        match event:
            case protocol.Ready():
                self._tell_all()
            case protocol.SpeechStarted(item=item, at_ms=at_ms):
                self._callee_began(item, at_ms, line)
            case protocol.SpeechStopped(item=item, at_ms=at_ms):
                self._callee_stopped(item, at_ms, line)
            case Transcribed():
                self._transcribed(event)
            case protocol.ResponseBegun(response=response):
                self._active, self._wants_response = response, False
                reply, self._reply = self._reply, None
                self._answers = None if reply is None else Answers(reply=reply, asked_ms=line.now_ms())
            case protocol.Audio(response=response) if response not in self._dropped:
                self._audio(event)
            case protocol.Words(response=response) if response not in self._dropped:
                self._mouth.words(event, self._knowing.session, self._answers)
                if event.whole:
                    line.words_are_known()
            case protocol.AudioDone(item=item):
                self._mouth.finish(item)
            case ResponseDone():
                self._response_done(event)
            case protocol.Failed(code=code) if code not in protocol.HARMLESS:
                self._call.tell("realtime_error", {"code": code})
            case protocol.Failed(code="conversation_already_has_active_response"):
                self._wants_response = True

    def _tell_all(self) -> None:
        """To a session that knows nothing of the call."""
        if self._knowing.has_begun:
            self.hearing.begin_anew()
            if self._active is not None or self._speaks or (self._due_since is not None and not self._wants_response):
                self._broke_off = True
        self._mouth.finish_response()
        self._speaks = False
        self._forget_answer()
        self._knowing.begin_session()
        self.hearing.send_missed()

    def _callee_began(self, item: str, at_ms: int, line: StraightAudio) -> None:
        self.hearing.began(item, at_ms)
        self._speaks = line.callee_speaks = True
        line.callee_began()
        self.waits_s = self._due_since = None
        if self._calls is not None:
            self._calls = Calls(self._calls.calls, self._calls.said, interrupted=True)
        self._cut(line)

    def _cut(self, line: StraightAudio) -> None:
        if self._active is not None and self._active not in self._dropped:
            self._dropped.append(self._active)
            if not self._speaks:  # else the server has done it itself
                self._knowing.link.send(protocol.cancel(self._active))
        for message in self._mouth.cut(line, self._knowing.session):
            self._knowing.link.send(message)
        self._note_heard()

    def _callee_stopped(self, item: str, at_ms: int, line: StraightAudio) -> None:
        turn = self.hearing.stopped(item, at_ms)
        self._speaks = line.callee_speaks = False
        turn.said = CalleeSaid("")
        self._knowing.has(turn.said)
        self._heard()
        self.watch.heard()
        self._due_since, self._wants_response = self._now(), False  # the server answers by itself
        assert turn.end_ms is not None
        now_ms = line.now_ms()
        self._reply = ReplyTimes(ended_ms=min(turn.end_ms, now_ms), decided_ms=now_ms, recognised_ms=now_ms)

    def _transcribed(self, event: Transcribed) -> None:
        if self.hearing.transcribed(event):
            self._done = NoMoreCalls()

    def _audio(self, audio: protocol.Audio) -> None:
        if self._due_since is not None:
            self._spending.first_audio(self._now() - self._due_since)
        self._due_since = None
        self._failures = 0
        self._spending.came(len(audio.ulaw) // 8)
        if not self._mouth.feed(audio, ulaw_to_pcm(audio.ulaw), self._knowing.session, self._answers):
            self._dropped.append(audio.response)
            self._mouth.finish(audio.item)
            self._knowing.link.send(protocol.cancel(audio.response))
            self._call.tell("realtime_error", {"code": "too_much_audio"})

    def _response_done(self, done: ResponseDone) -> None:
        was_dropped, said = done.response in self._dropped, self._spending.answered(done.usage, calls=bool(done.calls))
        if was_dropped:
            self._dropped.remove(done.response)
        self._mouth.finish_response(done.response)
        if done.response == self._active:
            self._active = None
        ended: Ending | None = None
        if done.status == "failed" or (done.status == "incomplete" and not (said or done.calls)):
            self._call.tell("realtime_error", {"code": done.why})
            ended = self._no_answer(done.why or done.status)
        elif done.calls:
            self._due_since, self._failures = None, 0
            self._calls = Calls(done.calls, said, interrupted=was_dropped)
        elif done.status == "completed" and not said and self._due_since is not None and not self._wants_response:
            ended = self._no_answer("empty_answer")
        elif done.status == "cancelled" and not said and not self._speaks:
            self._due_since = None
        self._done = self._done or ended  # what the callee wants comes before it

    # -- what comes of it -------------------------------------------------------------------------------------------

    def _note_heard(self) -> None:
        while self._mouth.heard:
            said = self._mouth.heard.popleft()
            self.watch.heard()
            if said.speech.heard:
                knows = said.session == self._knowing.session
                (self._knowing.has if knows else self._knowing.tell)(AgentSaid(said.speech.heard))

    def _tell_keys(self, line: StraightAudio) -> None:
        if not self._keys.are_pressed:
            return
        self._cut(line)
        if (entry := self._keys.take()) is not None:
            line.callee_pressed(*entry)
            self.hearing.pressed()
            self._heard()
            self._knowing.tell(CalleeSaid(f"[pressed {entry[0]}]"))
            self.respond()
