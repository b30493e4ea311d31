"""The free talks of one call, each begun where the script comes to it, until it leads on."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from outdial.agents.llm.chat import Message, Remark
from outdial.agents.llm.doing import Left
from outdial.agents.llm.history import forget_answered
from outdial.agents.llm.remembered import RememberedCall
from outdial.agents.llm.talking import AtLimit, NoAnswer, Spent, TakenBack, Talking
from outdial.agents.llm.tools import Exit
from outdial.agents.script.model import Block, Script, Talk
from outdial.agents.script.models import ScriptModels
from outdial.agents.script.talk_step import PLACE
from outdial.agents.tools.access import Tools
from outdial.conversation.live_call import LiveCall
from outdial.conversation.understanding.language import language_of
from outdial.conversation.verb_results import AgentFailed, Heard

BEGIN = Remark("Your part of the call begins here: you have the word.")
GOES_ON = Remark("The callee goes on with what they said last: your part of the call isn't over.")
LIMIT, MODEL_FAILED = "limit", "model_failed"  # what led on, where no exit did


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkOver:
    """`led_by`: an exit, LIMIT or MODEL_FAILED. `heard`: whether the callee said anything in it."""

    led_by: str
    then: Block
    heard: bool


class Talks:
    """`takes`: as Talking's. `call` is the live call with a memory: what is said on it, and heard, a model is told
    whose part comes later."""

    def __init__(
        self,
        script: Script,
        call: LiveCall,
        models: ScriptModels,
        tools: Tools,
        takes: Callable[[Heard], Awaitable[None]],
    ) -> None:
        history: list[Message] = []
        self.call: LiveCall = RememberedCall(call, history)
        self._history = history
        self._live = call
        self._script = script
        self._models = models
        self._tools = tools
        self._takes = takes
        self._spent: dict[str, Spent] = {}
        self._returned = call.failed_transfer
        if self._returned is not None and PLACE not in self._returned.step:
            why = self._returned.result
            history.append(Remark(f"The callee is back from a transfer that came to nothing ({why})."))

    async def hold(self, action: Talk, *, goes_on: bool) -> TalkOver | TakenBack:
        """`goes_on`: the callee, with what it said last. Raises CallEnded, and AgentFailed when no model answers and
        the script has no way on."""
        talking = Talking(
            action.talk,
            self._script.do_not_call,
            self._live,
            self._models.named(action.talk.models),
            self._history,
            self._tools,
            self._takes,
            self._spent.setdefault(action.talk.place, Spent()),
        )
        if talking.limit() is not None:  # nothing is asked that nobody would hear out
            self._returned = None
            return TalkOver(led_by=LIMIT, then=action.at_limit, heard=False)
        before = len(self._history)
        try:
            has_word = await self._begin(talking, action, goes_on=goes_on)
            end = TakenBack() if has_word is None else await talking.until_its_end(goes_on=has_word)
        finally:
            await talking.aclose()
        match end:
            case Left(wish=Exit(name=name)):
                return TalkOver(led_by=name, then=action.exits[name], heard=talking.has_heard)
            case AtLimit():
                return TalkOver(led_by=LIMIT, then=action.at_limit, heard=talking.has_heard)
            case NoAnswer(failure=failure):
                if action.model_failed is not None:
                    return TalkOver(led_by=MODEL_FAILED, then=action.model_failed, heard=talking.has_heard)
                await self._live.say(language_of(self._script.language).texts["agent_failed"], interruptible=False)
                raise AgentFailed(f"The agent's model failed: {failure.word}.")
        del self._history[before:]
        forget_answered(self._history)
        return TakenBack()

    async def _begin(self, talking: Talking, action: Talk, *, goes_on: bool) -> bool | None:
        """True when the model has the word; None when the callee goes on with its answer before that."""
        returned, self._returned = self._returned, None
        if returned is not None and returned.step.startswith(action.talk.place):
            return await talking.doing.back(returned.step.removeprefix(action.talk.place), f"{returned.result}")
        if goes_on:
            self._history.append(GOES_ON)
            return False
        if action.opening is None:
            self._history.append(BEGIN)
            return True
        said = await talking.doing.say(talking.texts.to_say(action.opening))
        return None if said.taken_back else False
