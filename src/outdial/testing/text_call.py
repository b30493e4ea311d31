"""A live call in memory: no audio, no carrier, and a clock that is counted and never waited for.

    call = TextCall([Hears("Shall I book it"), Says("Yes, please.")])
    await hold_call(my_agent, call)
    assert call.noted == {"booked": True}
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, NoReturn

from outdial.conversation.keypad import Keypad
from outdial.conversation.live_call import AgentCoroutine
from outdial.conversation.sounds import Looped
from outdial.conversation.transcript import MS_PER_CHAR, Speaker, Turn
from outdial.conversation.turn_words import NOTHING
from outdial.conversation.understanding.turn_phrases import turn_phrases
from outdial.conversation.verb_results import CallEnded, FailedTransfer, Heard, Said
from outdial.conversation.warm import Warm
from outdial.conversation.whispers import Whispers
from outdial.media.sounds import Sound
from outdial.speech.reading.marks import without_marks
from outdial.telephony.outcome import CALL_BACK
from outdial.telephony.state import EndedBy
from outdial.telephony.transfer import TransferOutcome
from outdial.telephony.verdict import AnsweredBy
from outdial.testing.call_limits import CallLimits
from outdial.testing.callee import (
    GIVEN_UP,
    NO_TRANSFER,
    NOT_INTERRUPTIBLE,
    REPLY_MS,
    CalleeLine,
    HangsUp,
    Hears,
    Interrupts,
    Presses,
    Says,
    Silent,
    TransferEnds,
    Waits,
    WentWrong,
    find_words,
    interrupts_at,
    not_heard,
    over_before,
    stops_for,
)
from outdial.testing.languages import AnyLanguage
from outdial.testing.sounds import SoundsInMemory
from outdial.testing.transfers import raise_unless_connected

KEY_MS = 300  # from one key to the next


class TextCall:
    """A LiveCall whose callee does what `callee` lists; afterwards it is silent. With `is_open` the call stops there
    instead, at the agent's next listening: `awaits_callee`.

    Without audio a callee is never misheard, and a listening is never too short for it.
    """

    call_id = "call_in_memory"

    def __init__(
        self,
        callee: Iterable[CalleeLine] = (),
        *,
        variables: Mapping[str, Any] | None = None,
        user_number: str = "+12025550100",
        agent_number: str = "+12025550199",
        language: str = "en-US",
        is_open: bool = False,
        limits: CallLimits | None = None,
    ) -> None:
        self.user_id, self.answered_by = user_number, AnsweredBy.HUMAN
        self.variables: Mapping[str, Any] = MappingProxyType(dict(variables or {}))
        self.noted: dict[str, Any] = {}
        self.failed_transfer: FailedTransfer | None = None
        self.whispers, self.sounds, self.languages = Whispers(), SoundsInMemory(), AnyLanguage()
        self.now_ms = self._verbs = 0
        self.turns: list[Turn] = []
        self.events: list[tuple[str, dict[str, Any]]] = []  # that the agent told of
        self.told_at_ms: list[int] = []  # when, each
        self.sent_digits: list[str] = []
        self.ended_by: EndedBy | None = None  # None while the call is up
        self.transferred: bool | None = None  # whether somebody answered the last transfer; None: none was made
        self.transferred_to: str | None = None
        self.callee_responded = self.called_back = self.awaits_callee = False
        self.wrong: WentWrong | None = None
        numbers = {"userNumber": user_number, "agentNumber": agent_number}
        self.last_event: dict[str, Any] = {"type": "launch", "payload": {"callType": "outbound", **numbers}}
        self._lines, self._line = list(callee), 0  # and the next one's place
        self._is_open, self._limits = is_open, limits or CallLimits()
        self._keypad, self._turn_words = Keypad(), turn_phrases(language)
        self._begun = ""    # what the callee said into our words, which stopped, and …
        self._murmured: list[tuple[str, int]] = []  # … which didn't, after so many characters
        self._told, self._told_to = "", 0  # by the agent, since the callee last did something; and heard by lines

    @property
    def is_over(self) -> bool:
        return self.ended_by is not None or self.awaits_callee or self.wrong is not None

    def tell(self, type_: str, data: Mapping[str, Any]) -> None:
        self.events.append((type_, dict(data)))
        self.told_at_ms.append(self.now_ms)

    # -- the verbs -----------------------------------------------------------------------------------------------

    async def say(
        self, text: str | AsyncIterator[str], *, interruptible: bool = True, asks: bool | None = None
    ) -> Said:
        self._verb()
        if not isinstance(text, str):
            text = " ".join("".join([piece async for piece in text]).split())
        return self._has_heard(without_marks(text), interruptible=interruptible, asks=asks)

    async def play(self, sound: str | Sound, *, loop: int = 1, interruptible: bool = True) -> Said:
        """Its callee hears the file's name, in brackets."""
        self._verb()
        looped = Looped(await self.fetch_sound(sound) if isinstance(sound, str) else sound, loop)
        said = self._has_heard(looped.written, interruptible=interruptible, asks=False, ms=looped.sound.ms * loop)
        return replace(said, text="")

    async def fetch_sound(self, source: str) -> Sound:
        return self.sounds.sound(source)

    def _has_heard(self, text: str, *, interruptible: bool, asks: bool | None, ms: int | None = None) -> Said:
        """`ms`: how long it is; by default as long as so many words are."""
        self._told = f"{self._told} " if self._told else ""
        start = len(self._told)
        self._told += text
        self._begun = ""
        cut = self._heard_until(start, interruptible=interruptible, asks=asks)
        played = text if cut is None else text[: cut - start]
        begin_ms = self.now_ms
        self.now_ms += MS_PER_CHAR * len(played) if ms is None or cut is not None else ms
        self._turn(Speaker.AGENT, played, begin_ms, interrupted=cut is not None)
        for words, chars in self._murmured:
            self._turn(Speaker.CALLEE, words, begin_ms + MS_PER_CHAR * chars)
        self._murmured.clear()
        if cut is not None:
            self._told, self._told_to = "", 0
        played_ms = self.now_ms - begin_ms
        return Said(text=played, played_ms=played_ms, interrupted=cut is not None, complete=cut is None)

    async def listen(
        self, *, until_silence_s: float = 0.5, no_reply_s: float = 6.0, max_digits: int = 0, **turn_taking: Any
    ) -> Heard:
        self._verb()
        self._keypad.keying = turn_taking.get("asked", NOTHING).keying
        left_ms = round(no_reply_s * 1000)
        while True:
            if max_digits and self._keypad:
                return Heard(digits=self._entry(max_digits))
            if words := self._begun:
                self._begun = ""
                return self._speaks(words, 0)
            match self._next():
                case None if self._is_open:
                    self.awaits_callee = True
                    raise CallEnded
                case None:
                    return self._silence(left_ms)
                case Silent():
                    self._take()
                    return self._silence(left_ms)
                case Waits(seconds=seconds) if round(seconds * 1000) > left_ms:
                    self._lines[self._line] = Waits(seconds - left_ms / 1000)
                    return self._silence(left_ms)
                case Waits(seconds=seconds):
                    self._line += 1
                    self.now_ms += round(seconds * 1000)
                    left_ms -= round(seconds * 1000)
                case Says(text=words) as line:
                    self._take()
                    if words.strip():
                        return self._speaks(words, REPLY_MS, round(line.pauses_s * 1000))
                case Presses(keys=keys):
                    self._take()
                    self._press(keys, wanted=max_digits > 0)
                case HangsUp():
                    self._take()
                    self._end(EndedBy.CALLEE)
                case TransferEnds():
                    self._fail(NO_TRANSFER)
                case (Hears() | Interrupts()) as line:
                    self._fail(not_heard(line, self._told))

    async def greeting(self, then: str = "") -> Heard:
        """What the callee says first is its answer to what it hears: lines have no clock."""
        self._verb()
        return Heard(silent=True)

    def straight(self, ears: object) -> None: ...

    async def send_digits(self, digits: str) -> None:
        self._verb()
        self.sent_digits.append(digits)

    async def transfer(self, to: str, *, failed: str | None = None, warm: Warm | None = None) -> None:
        self._verb()
        outcome: TransferOutcome | str = TransferOutcome.ANSWERED
        line = self._next()
        if isinstance(line, TransferEnds):
            self._take()
            outcome = line.outcome
        self.transferred, self.transferred_to = outcome == TransferOutcome.ANSWERED, to
        raise_unless_connected(outcome, asked_first=warm is not None)
        if self.transferred or failed is None:
            self._end(EndedBy.AGENT)
        result = TransferOutcome(outcome)
        self.failed_transfer = FailedTransfer(step=failed, to=to, result=result)
        told = {**self.last_event["payload"], "to": to, "result": result.value}
        self.last_event = {"type": "transfer_failed", "payload": told}
        raise CallEnded

    async def call_back(self, at: datetime, *, promised: bool) -> None:
        self._verb()
        if promised:
            self.noted[CALL_BACK] = at.isoformat()
            self.called_back = True

    async def hang_up(self) -> None:
        self._verb()
        self._end(EndedBy.AGENT)

    # -- what the callee does ------------------------------------------------------------------------------------

    def check_lines(self) -> None:
        """After the call: whether everything was done. Raises WentWrong."""
        if self.wrong is None and not self.awaits_callee and self._line < len(self._lines):
            self.wrong = WentWrong(over_before(self._told), self._line)
        if self.wrong is not None:
            raise self.wrong

    def _next(self) -> CalleeLine | None:
        return self._lines[self._line] if self._line < len(self._lines) else None

    def _take(self) -> None:
        self._line += 1
        self._told, self._told_to = "", 0

    def _heard_until(self, start: int, *, interruptible: bool, asks: bool | None) -> int | None:
        """Has lines hear what is told now, from `start` on; where the callee interrupts it, None where it doesn't."""
        while True:
            match self._next():
                case Hears(words=words) if (end := find_words(self._told, words, self._told_to)) is not None:
                    self._line += 1
                    self._told_to = end
                case Interrupts(after=after, says=says, presses=presses):
                    end = interrupts_at(self._told, after, start, self._told_to)
                    if end is None:
                        return None
                    if not interruptible:
                        self._fail(NOT_INTERRUPTIBLE)
                    self._line += 1
                    self._press(presses, wanted=True)
                    told, heard = self._told[start:], self._told[start:end]
                    if presses or (says and stops_for(self._turn_words, says, told, heard, asks)):
                        self._begun = says
                        return end
                    self._told_to = end
                    if says:
                        self.callee_responded = True
                        self._murmured.append((says, end - start))
                case _:
                    return None

    def _speaks(self, words: str, after_ms: int, pauses_ms: int = 0) -> Heard:
        begin_ms = self.now_ms = self.now_ms + after_ms
        self.now_ms += MS_PER_CHAR * len(words) + pauses_ms
        self.callee_responded = True
        self._turn(Speaker.CALLEE, words, begin_ms)
        return Heard(text=words)

    def _press(self, keys: str, *, wanted: bool) -> None:
        """Keys that nobody asked for are lost, as on a call."""
        for key in keys:
            self.now_ms += KEY_MS
            self.callee_responded = True
            if wanted:
                self._keypad.press(key, self.now_ms)
        if keys and not wanted:
            self._turn(Speaker.CALLEE, f"[{keys}, not asked for]", self.now_ms)

    def _entry(self, max_digits: int) -> str:
        while (entry := self._keypad.read(max_digits, self.now_ms)) is None:
            self.now_ms = max(self.now_ms + 1, self._keypad.due_ms())
        self._turn(Speaker.CALLEE, f"[{entry[0]}]", self.now_ms)
        return entry[0]

    def _silence(self, ms: int) -> Heard:
        self.now_ms += ms
        return Heard(silent=True)

    # -- the call ------------------------------------------------------------------------------------------------

    def back_from_transfer(self) -> None:
        """The agent has the call again that it wanted to transfer."""
        self._told, self._told_to = "", 0

    def _verb(self) -> None:
        if self.is_over:
            raise CallEnded
        self._verbs += 1
        if self._verbs > self._limits.verbs:
            reason = f"the call went on and on: stopped after {self._limits.verbs} things the agent did"
            self._fail(reason, at_line=False)
        if self.now_ms > self._limits.seconds * 1000:
            self._fail(f"the call would be longer than {self._limits.seconds:g} s", at_line=False)
        if self._limits.is_over():
            self._fail(GIVEN_UP, at_line=False)

    def _end(self, by: EndedBy) -> NoReturn:
        self.ended_by = by
        raise CallEnded

    def _fail(self, reason: str, *, at_line: bool = True) -> NoReturn:
        self.wrong = WentWrong(reason, self._line if at_line else None)
        raise CallEnded

    def _turn(self, speaker: str, text: str, begin_ms: int, *, interrupted: bool = False) -> None:
        seq = max(begin_ms, self.turns[-1].seq if self.turns else 0) + 1
        self.turns.append(
            Turn(seq=seq, speaker=speaker, text=text, start_ms=begin_ms, end_ms=self.now_ms, interrupted=interrupted)
        )


async def hold_call(agent: AgentCoroutine, call: TextCall) -> None:
    """The conversation from its beginning to its end, also after a transfer that comes back; an agent that returns
    hangs up.

    Raises WentWrong when the call didn't go as its lines say.
    """
    transfer: FailedTransfer | None = None
    while True:
        try:
            await agent(call)
        except CallEnded:
            if call.failed_transfer is not transfer and not call.is_over:
                transfer = call.failed_transfer
                call.back_from_transfer()
                continue
        if not call.is_over:
            call.ended_by = EndedBy.AGENT
        break
    call.check_lines()
