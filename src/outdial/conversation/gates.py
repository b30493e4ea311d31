"""What stands before a callee: a screening service is told who calls and why, a menu gets its keys.

Then the callee may come, or a voicemail, or nobody: that is waited for, and the agent begins when somebody is there.
Who has come may say what recordings say, too ("sorry I missed your call"), or nothing at all: only what a service says
of its own work is its, who asks for a moment is told that we wait, and into longer silence we ask whether anybody is
there.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from outdial.conversation.live_call import AgentCoroutine, LiveCall, converse
from outdial.conversation.opening import AfterHello, Opening
from outdial.conversation.stopping import stop
from outdial.conversation.turn_words import TurnWords
from outdial.conversation.verb_results import Heard, SpeechFailed
from outdial.telephony.verdict import AnsweredBy

QUIET_MS = 1000   # after what it says; the tone that some have after them is in there
PENDING_S = 30.0  # for somebody to come
RINGS_S = 15.0    # of who a menu puts us through to; longer, and somebody is there who says nothing
REASONS = 2       # times that it is said, to a service that asks again
CERTAIN = 0.9     # of our own detector: so likely a service that it is hung up on, whatever it says
# Of silence, before we say something: to who has asked us to wait, to who may have come, and once more.
HOLD_S, FIRST_S, AGAIN_S = 1.2, 4.0, 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """What an agent wants done at them. `hangs_up`: on screening services. `reason`: what these are told of who calls,
    and why; None: they hear what a callee hears. `keys`: of the words of a menu the keys that are pressed for them."""

    hangs_up: bool = False
    reason: Callable[[LiveCall], str] | None = None
    keys: tuple[tuple[str, str], ...] = ()


NO_GATES = Gates()


class GatedCall(LiveCall, Protocol):
    """What is needed of a call at a gate, beside an agent's verbs."""

    async def hear_out(self, quiet_ms: int) -> None:
        """Until what speaks has been silent for that long."""
        ...

    async def overhear(self, no_reply_s: float) -> Heard:
        """As `listen`, but nothing is said to who asks us to wait."""
        ...

    async def hear_somebody(self, at_most_s: float) -> bool:
        """Until somebody begins to speak; whether that was in time."""
        ...

    async def fill(self, text: str) -> None:
        """A few words of ours. What is said meanwhile is heard all the same. Raises SpeechFailed."""
        ...

    def meet_service(self) -> None:
        """What is said from now on is said to it, and its words are no replies of the callee's. What was heard until
        now counts no more."""
        ...

    def begin_anew(self, opening: Opening | None) -> None:
        """Whoever is there now is talked to from the start, when it is our turn to (None: at once)."""
        ...


class AtGate:
    """An agent's conversation, with what stands before its callee. `told`: a service has spoken, these are its words,
    what it is, and how likely that is, where anybody knows. `nobody_came`: so the call ends."""

    def __init__(self, agent: Callable[[Any], Any], gates: Gates, words: TurnWords) -> None:
        self.nobody_came = False
        self._agent: AgentCoroutine = agent
        self._gates = gates
        self._words = words
        self._now = asyncio.get_running_loop().time
        self._pass: asyncio.Future[Callable[[GatedCall], Any]] = asyncio.get_running_loop().create_future()

    def told(self, category: AnsweredBy, text: str, likely: float | None = None) -> None:
        """Until there is a way through: who is behind the first gate has a voice of its own."""
        if not self._pass.done() and (way := self._way(category, text, likely or 0.0)) is not None:
            self._pass.set_result(way)

    async def run(self, call: Any) -> None:
        """The agent, from its beginning; where a gate is passed meanwhile, anew."""
        if self._gates == NO_GATES:
            await converse(self._agent, call)
            return
        talk = asyncio.create_task(converse(self._agent, call), name=f"agent of {call.call_id} until a gate")
        try:
            waited: set[asyncio.Future[Any]] = {talk, self._pass}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if talk.done():
                talk.result()
                return
        finally:
            await stop(talk)
        call.meet_service()
        if await self._pass.result()(call):
            await converse(self._agent, call)
        else:
            self.nobody_came = True

    def _way(self, category: AnsweredBy, text: str, likely: float) -> Callable[[GatedCall], Any] | None:
        """None: the agent talks to it as to anybody. People, too, ask who is calling, and why."""
        gates = self._gates
        if category is AnsweredBy.SCREENING and gates.hangs_up:
            return _hang_up if likely >= CERTAIN or self._words.is_surely_screening(text) else None
        if category is AnsweredBy.SCREENING and gates.reason is not None:
            return self._be_screened
        said = self._words.said(text, [phrase for phrase, _ in gates.keys]) if category is AnsweredBy.MENU else None
        return None if said is None else lambda call: self._press(call, gates.keys[said][1])

    async def _be_screened(self, call: GatedCall) -> bool:
        """Whether somebody has come."""
        await self._give_reason(call)
        reasons, by = 1, self._now() + PENDING_S
        latest = by + PENDING_S
        words, quiet_s, to_say = self._words, FIRST_S, self._words.still_there
        while (left_s := by - self._now()) > 0:
            text = (await call.overhear(min(left_s, quiet_s))).text
            if not text:
                if by - self._now() > HOLD_S:
                    await _fill(call, to_say)
                quiet_s, to_say = (FIRST_S if to_say == words.of_course else AGAIN_S), words.still_there
            elif words.asks_name(text):
                if reasons < REASONS:
                    await self._give_reason(call)
                    reasons += 1
                quiet_s, to_say = FIRST_S, words.still_there
            elif self._is_service(text):
                quiet_s, to_say = HOLD_S, words.of_course
                if words.is_hold_on(text):
                    by = min(latest, self._now() + PENDING_S)
            else:
                _tell(call, AnsweredBy.SCREENING, "passed")
                # Whatever recordings say, too, may be a voicemail's, which goes on soon.
                call.begin_anew(AfterHello(words) if words.sounds_recorded(text) else None)
                return True
        _tell(call, AnsweredBy.SCREENING, "nobody_came")
        return False

    async def _give_reason(self, call: GatedCall) -> None:
        assert self._gates.reason is not None
        await call.hear_out(QUIET_MS)
        await call.say(self._gates.reason(call), interruptible=False, asks=False)
        _tell(call, AnsweredBy.SCREENING, "reason_given")

    async def _press(self, call: GatedCall, digits: str) -> bool:
        """Who was chosen picks up then, and says hello."""
        await call.hear_out(QUIET_MS)  # or the rest of its words would be taken for a hello
        await call.send_digits(digits)
        _tell(call, AnsweredBy.MENU, "keys_pressed")
        call.meet_service()
        by = self._now() + RINGS_S
        while not await call.hear_somebody(FIRST_S) and self._now() < by:
            await _fill(call, self._words.still_there)
        call.begin_anew(AfterHello(self._words))
        return True

    def _is_service(self, text: str) -> bool:
        """ "Thanks. Please stay on the line." Whoever has come may say "one moment" as well, and is waited for, too."""
        words = self._words
        is_other = words.answering(text) not in (None, AnsweredBy.MACHINE)
        return is_other or words.is_hold_on(text) or words.is_gate(text)


async def _hang_up(call: GatedCall) -> bool:
    _tell(call, AnsweredBy.SCREENING, "hung_up")
    return False


async def _fill(call: GatedCall, text: str) -> None:
    with suppress(SpeechFailed):  # they may speak yet
        await call.fill(text)


def _tell(call: GatedCall, kind: AnsweredBy, result: str) -> None:
    call.tell("gate", {"kind": kind, "result": result})
