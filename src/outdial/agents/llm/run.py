"""A whole call that a model leads: its first words, its free talk, and the end of the call.

What no author should have to spell out is here, as with scripts: the callee who interrupts is listened to, whoever
wants no more calls gets none, silence is asked about, and every call comes to an end. The talk itself: talking.py.
"""

import asyncio
from collections.abc import Sequence

from outdial.agents.llm.chat import Model, ModelFailed, Remark, ToolCall
from outdial.agents.llm.definition import LlmAgent
from outdial.agents.llm.doing import Left
from outdial.agents.llm.history import is_cut_short
from outdial.agents.llm.talking import CUT_OFF, AtLimit, NoAnswer, TakenBack, Talking, told_by
from outdial.agents.llm.tools import HangUp, Wish
from outdial.agents.tools.access import Tools
from outdial.conversation.live_call import LiveCall
from outdial.conversation.understanding.language import language_of
from outdial.conversation.understanding.meaning import Kind, Question
from outdial.conversation.understanding.understand import understand
from outdial.conversation.verb_results import AgentFailed, CallEnded

PARTING_S = 2.0     # after our goodbye, for theirs

BEGIN = Remark("The call has just been answered. Say the first words.")
STOPPED = Remark("The callee began to speak: the call goes on.")
_AFTER_GOODBYE = (Kind.QUESTION, Kind.WAIT, Kind.REPEAT)  # the callee isn't done


async def run_llm(agent: LlmAgent, call: LiveCall, models: Sequence[Model], tools: Tools) -> None:
    """Hold the conversation; raises CallEnded once the call is over, and AgentFailed when no model answers.

    What the model notes is written to `call.noted`; `do_not_call` becomes true when the callee wants no more calls.
    """
    warming = asyncio.create_task(models[0].warm_up(), name="warming up a model")
    talking = Talking(agent, agent.do_not_call, call, [*models], [], tools)
    try:
        await _Conversation(agent, call, talking).hold()
    finally:
        warming.cancel()
        await talking.aclose()


class _Conversation:
    def __init__(self, agent: LlmAgent, call: LiveCall, talking: Talking) -> None:
        self._agent = agent
        self._call = call
        self._language = language_of(agent.language)
        self._talking = talking
        self._doing = self._talking.doing
        self._history = self._talking.history
        self._said_goodbye = False

    async def hold(self) -> None:
        goes_on = await self._begin()
        while True:
            match await self._talking.until_its_end(goes_on=goes_on):
                case Left(wish=HangUp(goodbye=goodbye), rest=rest):
                    goes_on = await self._hang_up(goodbye, rest)
                case AtLimit():
                    await self._call.say(self._language.texts["limit_goodbye"], interruptible=False)
                    await self._call.hang_up()
                case TakenBack():
                    goes_on = False
                case NoAnswer(failure=failure):
                    await self._give_up(failure)

    async def _begin(self) -> bool:
        """The first words; true when they are the model's to say."""
        failed, greeting = self._call.failed_transfer, self._agent.greeting
        heard = await self._call.greeting("" if greeting is None else self._talking.texts.to_say(greeting))
        await self._talking.heed_wish(heard)
        if failed is not None:
            return await self._doing.back(failed.step, f"{failed.result}")
        if greeting is None:
            self._history.append(BEGIN)
            self._history += told_by(heard)
            return True
        self._history += told_by(heard)
        await self._doing.say(self._talking.texts.to_say(greeting))
        return False

    async def _hang_up(self, goodbye: str, rest: Sequence[tuple[ToolCall, Wish]]) -> bool:
        """After a goodbye, which the callee may answer; true when the model goes on."""
        try:
            if goodbye:
                said = await self._doing.say(goodbye, asks=False)
                if is_cut_short(said):
                    self._doing.postpone(rest)
                    self._history.append(CUT_OFF if said.cut_off else STOPPED)
                    return False
            if not self._said_goodbye:
                self._said_goodbye = True
                heard = await self._talking.listen(PARTING_S)
                if heard.text and understand(heard.text, Question(), self._language).kind in _AFTER_GOODBYE:
                    self._doing.postpone(rest)
                    self._history += told_by(heard)
                    return True
            await self._call.hang_up()
        except (CallEnded, asyncio.CancelledError):
            self._doing.keep(rest)
            raise
        return False

    async def _give_up(self, failure: ModelFailed) -> None:
        await self._call.say(self._language.texts["agent_failed"], interruptible=False)
        raise AgentFailed(f"The agent's model failed: {failure.word}.")
