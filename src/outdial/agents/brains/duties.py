"""What Outdial owes a callee whatever an agent's brain does: no further calls to who wants none, no long silence, an
end that is told, and limits. Of one call."""

import asyncio
from typing import Any, NoReturn

from outdial.agents.brains.definition import BrainAgent, Sent
from outdial.agents.llm.quiet import KEEP_S, Quiet
from outdial.agents.script.template import Slot, Text, lookup, render
from outdial.agents.script.values import known
from outdial.conversation.live_call import LiveCall
from outdial.conversation.turn_words import Asked
from outdial.conversation.understanding.language import language_of
from outdial.conversation.understanding.meaning import Question
from outdial.conversation.understanding.understand import wants_no_more_calls
from outdial.conversation.verb_results import AgentFailed, Heard, Said
from outdial.telephony.outcome import WISH

ROUNDING_S = 0.001  # clocks are no finer, and who waits for less waits again and again
MAX_SILENCES = 2    # one after the other; then nobody is there
MAX_TAKEN_BACK = 3  # one after the other: who goes on and on isn't answered before they are done


class Duties:
    def __init__(self, agent: BrainAgent, call: LiveCall) -> None:
        self.language = self._heard_language = language_of(agent.language)
        self.one_moment = self.language.texts["one_moment"]
        self._agent = agent
        self._call = call
        self._loop = asyncio.get_running_loop()
        self.quiet = Quiet(self._loop.time)
        self._began = self._loop.time()
        self._turns = self._silences = self._taken_back = 0

    # -- what is said by us ------------------------------------------------------------------------------------

    async def say(self, text: str, *, interruptible: bool = True, asks: bool | None = None) -> Said:
        said = await self._call.say(text, interruptible=interruptible, asks=asks)
        self.quiet.broken()
        return said

    async def say_written(self, text: Text, *, interruptible: bool = True) -> Said:
        """What the agent's author has written, in the agent's language whatever the call is held in."""
        self.speak_in(self._agent.language)
        return await self.say(self.to_say(text), interruptible=interruptible)

    def speak_in(self, language: str) -> None:
        """From now on. Raises LanguageMissing."""
        self._call.languages.speak_in(language)
        self.language = language_of(language)
        self.one_moment = self.language.texts["one_moment"]

    def hear_in(self, language: str) -> None:
        """From the callee's next words on. Raises LanguageMissing."""
        self._call.languages.hear_in(language)
        self._heard_language = language_of(language)

    def to_say(self, text: Text) -> str:
        return render(text, known(self._call), self._agent.variables, to_say=True)

    @property
    def is_quiet(self) -> bool:
        """Whether the callee has heard nothing for as long as it may."""
        return self.quiet.left_s(KEEP_S) <= ROUNDING_S

    async def fill(self) -> Said:
        """Into a silence of ours."""
        return await self.say(self.one_moment, asks=False)

    async def hear_silence(self) -> None:
        """The callee said nothing: they are asked whether they are there, and then the call ends (CallEnded)."""
        self._silences += 1
        asks = self._silences < MAX_SILENCES
        said = await self.say(self.language.texts["still_there" if asks else "no_reply_goodbye"], asks=asks)
        if said.interrupted:
            self._silences = 0
        elif not asks:
            await self._call.hang_up()

    async def give_up(self, reason: str) -> NoReturn:
        """The brain can't go on. Raises AgentFailed, or CallEnded where the callee has left meanwhile."""
        await self._call.say(self.language.texts["agent_failed"], interruptible=False)
        raise AgentFailed(reason)

    # -- what is heard -----------------------------------------------------------------------------------------

    async def listen(self, asked: Asked, *, no_reply_s: float, max_digits: int = 0) -> Heard:
        """What counts as a reply. Ends the call (CallEnded) of who wants no more of them, and where it has had as many
        turns, or as much time, as it may."""
        heard = await self._call.listen(no_reply_s=no_reply_s, max_digits=max_digits, asked=asked)
        if heard.silent:
            return heard
        self.quiet.broken()
        self._silences = 0
        await self.heed_wish(heard)
        self._turns += 1
        await self.keep_limits()
        return heard

    @property
    def takes_back(self) -> bool:
        """Whether the callee may go on with its last answer."""
        return self._taken_back < MAX_TAKEN_BACK

    def was_said(self, said: Said) -> None:
        self._taken_back = self._taken_back + 1 if said.taken_back else 0

    async def heed_wish(self, heard: Heard) -> None:
        if not heard.digits and self.wants_no_more_calls(heard.text):
            self._call.noted[WISH] = True
            await self.say_written(self._agent.do_not_call.say, interruptible=False)
            await self._call.hang_up()

    def wants_no_more_calls(self, text: str) -> bool:
        words = [
            render(one, known(self._call), self._agent.variables, to_say=True)
            for one in self._agent.do_not_call.words
        ]
        return bool(text) and wants_no_more_calls(text, Question(do_not_call=words), self._heard_language)

    # -- limits ------------------------------------------------------------------------------------------------

    async def keep_limits(self) -> None:
        """Raises CallEnded at one."""
        limits = self._agent.limits
        seconds = self._loop.time() - self._began
        reached = {
            "turns": self._turns > limits.turns,
            "seconds": limits.seconds is not None and seconds >= limits.seconds,
        }
        for limit, is_reached in reached.items():
            if is_reached:
                self._call.tell("agent_limit", {"limit": limit})
                await self.say(self.language.texts["limit_goodbye"], interruptible=False)
                await self._call.hang_up()

    # -- what is sent ------------------------------------------------------------------------------------------

    def values(self, sent: Sent) -> dict[str, Any]:
        """Filled in for this call: a text that is one {variable} is its value, of whatever type."""
        found: dict[str, Any] = dict(sent.values)
        for name, text in sent.texts.items():
            if len(text.parts) == 1 and isinstance(slot := text.parts[0], Slot):
                value = lookup(slot.path, known(self._call))
                if value in (None, ""):
                    value = slot.fallback if slot.fallback is not None else lookup(slot.path, self._agent.variables)
                found[name] = value
            else:
                found[name] = render(text, known(self._call), self._agent.variables)
        return found


async def wait_for(event: asyncio.Event, timeout_s: float) -> bool:
    """Whether it is set in time."""
    if not event.is_set():
        waiting = asyncio.ensure_future(event.wait())
        try:
            await asyncio.wait({waiting}, timeout=timeout_s)
        finally:
            waiting.cancel()
    return event.is_set()
