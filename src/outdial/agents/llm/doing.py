"""What is done of what a model wants, once what it said along with it was heard, and what is said word for word."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from outdial import clock
from outdial.agents.llm.asking import Asking
from outdial.agents.llm.call_back import in_words, read_time, zones_for
from outdial.agents.llm.chat import AgentSaid, Message, Remark, ToolCall
from outdial.agents.llm.free_talk import FreeTalk, TransferTarget
from outdial.agents.llm.history import POSTPONED, answer_with, is_cut_short
from outdial.agents.llm.quiet import Quiet
from outdial.agents.llm.texts import Texts, as_data
from outdial.agents.llm.told import told_of
from outdial.agents.llm.tools import (
    CallBack,
    DoNotCall,
    Exit,
    HangUp,
    Note,
    SendDigits,
    Transfer,
    Wait,
    Wish,
    wish_of,
)
from outdial.agents.script import model as script
from outdial.agents.tools.asks import Ask, NotPossible
from outdial.conversation.live_call import LiveCall
from outdial.conversation.verb_results import CallBackRefused, CallEnded, Said, TransferFailed
from outdial.telephony.outcome import NAMED, WISH

NOT_ARRANGED = Remark("The callee spoke into that: no call back is arranged yet.")
HOLD_S = 60.0  # of silence, for a callee who needs a moment


@dataclass(frozen=True, slots=True)
class Left:
    """The model ends its part by `wish`, once its words were heard. `rest`: what else it wants, after hanging up."""

    wish: HangUp | Exit
    rest: Sequence[tuple[ToolCall, Wish]] = ()


class Doing:
    """Of one call. `waits_s`: of silence that the next listening is to allow for; None: as always. `asking`: the
    author's tools."""

    def __init__(
        self,
        talk: FreeTalk,
        do_not_call: script.DoNotCall,
        call: LiveCall,
        texts: Texts,
        history: list[Message],
        asking: Asking,
        quiet: Quiet,
    ) -> None:
        self.waits_s: float | None = None
        self._asking = asking
        self._quiet = quiet
        self._talk = talk
        self._do_not_call = do_not_call
        self._call = call
        self._texts = texts
        self._history = history

    def wish_of(self, call: ToolCall) -> Wish:
        """Raises NotPossible. A tool of the author's that changes nothing is asked already."""
        if (ask := self._asking.wish_of(call)) is not None:
            return ask
        wish = wish_of(call, self._talk)
        if isinstance(wish, Transfer) and self._texts.number(self._target(wish)) is None:
            raise NotPossible("There is no number to connect the callee to. Tell them so.")
        if isinstance(wish, CallBack):
            zones = zones_for(self._call.user_id, self._call.variables)
            return replace(wish, at=read_time(wish.text, zones, clock.now()))
        return wish

    async def carry_out(self, wishes: Sequence[tuple[ToolCall, Wish]], *, interrupted: bool) -> bool | Left:
        """In order; true when the model goes on. Of an answer that was interrupted only what was noted counts, and what
        waits for a tool's answer isn't done before the model has read it."""
        goes_on = asked = False
        ends = any(isinstance(wish, DoNotCall) for _, wish in wishes)
        wishes = _ending_last(wishes)
        for place, (call, wish) in enumerate(wishes, 1):
            try:
                if isinstance(wish, Ask):
                    asked = True
                    interrupted = await self._asking.carry_out(call, wish, interrupted=interrupted)
                    continue
                waits = asked and not isinstance(wish, Note | DoNotCall)
                is_done = isinstance(wish, Note) or not (interrupted or waits)
                if isinstance(wish, Exit | CallBack) and ends:
                    is_done = False  # nothing more is asked of who wants no more calls
                if isinstance(wish, CallBack) and is_done:
                    tells = await self._call_back(call, wish)
                    if tells is not None:
                        self.postpone(wishes[place:])
                        return tells
                    continue
                self._call.tell("tool", {"tool": call.tool, **told_of(wish), "done": is_done})
                if waits:
                    answer_with(self._history, call, POSTPONED)
                    continue
                self._note(wish)
                if is_done and isinstance(wish, HangUp):
                    return Left(wish, wishes[place:])
                if is_done and isinstance(wish, Exit):
                    self.keep(wishes[place:])
                    return Left(wish)
                goes_on = is_done and await self._do(wish)
            except (CallEnded, asyncio.CancelledError):
                self.keep(wishes[place:])
                raise
            if goes_on or (is_done and isinstance(wish, HangUp | Transfer | DoNotCall)):
                self.postpone(wishes[place:])
                break
        return goes_on or (asked and not interrupted) or bool(self._asking.heard)

    def keep(self, wishes: Sequence[tuple[ToolCall, Wish]]) -> None:
        """What there is to keep of them once the model's part is over: what was noted, what came of the call, no more
        calls."""
        for call, wish in wishes:
            if isinstance(wish, Ask):
                self._asking.give_up(call, wish)
                continue
            self._call.tell("tool", {"tool": call.tool, **told_of(wish), "done": isinstance(wish, Note)})
            self._note(wish)

    def give_up(self, wishes: Sequence[tuple[ToolCall, Wish]]) -> None:
        """Of an answer that counts for nothing: what was asked already isn't waited for."""
        for call, wish in wishes:
            if isinstance(wish, Ask):
                self._asking.give_up(call, wish)

    def postpone(self, wishes: Sequence[tuple[ToolCall, Wish]]) -> None:
        """What was wanted after something that came to nothing: of that only what is written down is done."""
        for call, wish in wishes:
            if isinstance(wish, Ask):
                self._asking.give_up(call, wish)
            else:
                self._call.tell("tool", {"tool": call.tool, **told_of(wish), "done": isinstance(wish, Note)})
            if isinstance(wish, Note | DoNotCall):
                self._note(wish)
            if not isinstance(wish, Note):
                answer_with(self._history, call, POSTPONED)

    async def back(self, target: str, result: str) -> bool:
        """Nobody took the callee, who was to be transferred; true when the model is to say so."""
        return await self._back(next((one for one in self._talk.transfers if one.name == target), None), result)

    async def say(self, text: str, *, interruptible: bool = True, asks: bool | None = None) -> Said:
        """Word for word; the model comes to know what was heard of it."""
        said = await self._call.say(text, interruptible=interruptible, asks=asks)
        self._quiet.broken()
        if said.text:
            self._history.append(AgentSaid(said.text))
        return said

    async def promise_no_more_calls(self) -> None:
        self._call.noted[WISH] = True
        await self._call.say(self._texts.to_say(self._do_not_call.say), interruptible=False)
        await self._call.hang_up()

    # -- inside ------------------------------------------------------------------------------------------------

    def _note(self, wish: Wish) -> None:
        if isinstance(wish, DoNotCall):
            self._call.noted[WISH] = True  # heard or not, and whatever is said into the promise
        elif isinstance(wish, Note):
            self._call.noted.update(wish.values)
        elif isinstance(wish, HangUp) and wish.outcome is not None:
            self._call.noted[NAMED] = wish.outcome

    async def _do(self, wish: Wish) -> bool:
        match wish:
            case DoNotCall():
                await self.promise_no_more_calls()
            case Transfer():
                return await self._transfer(self._target(wish), wish.brief)
            case SendDigits(digits=digits):
                await self._call.send_digits(digits)
            case Wait():
                self.waits_s = HOLD_S
        return False

    async def _call_back(self, call: ToolCall, wish: CallBack) -> bool | None:
        """Said in our words, and done once they were heard. Where it isn't done: true when the model is to say so."""
        assert wish.at is not None  # else it was no wish
        told: dict[str, Any] = {"done": False}
        try:
            await self._call.call_back(wish.at, promised=False)
            said = await self.say(in_words(wish.at, self._talk.language), asks=False)
            if is_cut_short(said) or not said.complete:
                self._history.append(NOT_ARRANGED)
                return False
            await self._call.call_back(wish.at, promised=True)
            told = {"done": True}
        except CallBackRefused as refused:
            told["refused"] = refused.reason
            self._history.append(Remark(f"The callee can't be called back. {refused.reason} Tell them so."))
            return True
        finally:
            self._call.tell("tool", {"tool": call.tool, **told_of(wish), **told})
        return None

    async def _transfer(self, target: TransferTarget, brief: str) -> bool:
        number = self._texts.number(target)
        assert number is not None  # else it was no wish
        if target.say is not None:
            await self.say(self._texts.to_say(target.say), interruptible=False)
        try:
            warm = None if target.warm is None else target.warm.filled(self._texts.to_say, brief)
            await self._call.transfer(number, failed=f"{self._talk.place}{target.name}", warm=warm)
        except TransferFailed as failed:  # the call's record says why
            self._quiet.broken()
            return await self._back(target, failed.result.value)
        return False

    def _target(self, wish: Transfer) -> TransferTarget:
        return next(one for one in self._talk.transfers if one.name == wish.target)

    async def _back(self, target: TransferTarget | None, result: str) -> bool:
        """Nobody took the callee; true when the model is to say so."""
        name = "" if target is None else f" to {target.name}"
        facts = {fact.name for fact in self._talk.facts}
        noted = {key: value for key, value in self._call.noted.items() if key in facts}
        so_far = f" Data noted so far, from what the callee said: {as_data(noted)}" if noted else ""
        self._history.append(Remark(f"The transfer{name} came to nothing ({result}): the callee is with you.{so_far}"))
        if target is None or target.failed is None:
            return True
        await self.say(self._texts.to_say(target.failed))
        return False


def _ending_last(wishes: Sequence[tuple[ToolCall, Wish]]) -> Sequence[tuple[ToolCall, Wish]]:
    """A call back that is wanted along with the end comes before it: models order what they want at once as they
    like."""
    if not any(isinstance(wish, CallBack) for _, wish in wishes):
        return wishes
    return sorted(wishes, key=lambda one: isinstance(one[1], HangUp | Exit))
