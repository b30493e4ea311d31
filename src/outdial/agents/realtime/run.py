"""A realtime agent on a call: from the greeting to its end.

While the model talks, audio goes straight both ways (talking.py). What it doesn't do itself (tools, words that are
said as they are written, the end) is done between two stretches of that, by the call's own verbs.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from outdial import clock
from outdial.agents.brains.reaching import BrainAway
from outdial.agents.llm.asking import Asking
from outdial.agents.llm.call_back import now_told, zones_for
from outdial.agents.llm.chat import AgentSaid, Message, Model, Remark, Tool, ToolAnswer, ToolCall
from outdial.agents.llm.doing import Doing, Left
from outdial.agents.llm.history import LATER, settled
from outdial.agents.llm.instructions import instructions_for
from outdial.agents.llm.metering import SPEND_LIMIT, Metered, is_spent
from outdial.agents.llm.quiet import Quiet
from outdial.agents.llm.run import BEGIN, run_llm
from outdial.agents.llm.talking import MAX_DIGITS, heard_as, told_by
from outdial.agents.llm.texts import Texts
from outdial.agents.llm.tools import CALL_BACK, HANG_UP, HangUp, Wish, tools_of, wish_of
from outdial.agents.realtime import protocol
from outdial.agents.realtime.definition import RealtimeAgent
from outdial.agents.realtime.endings import AtLimit, Calls, Gone, NoMoreCalls, Silence, Slow
from outdial.agents.realtime.knowing import Knowing
from outdial.agents.realtime.link import Link
from outdial.agents.realtime.spending import Spending
from outdial.agents.realtime.talking import Talking
from outdial.agents.tools.access import Tools
from outdial.agents.tools.asks import NotPossible
from outdial.agents.tools.toolbox import About, Toolbox
from outdial.conversation.live_call import LiveCall
from outdial.conversation.turn_words import Asked
from outdial.conversation.understanding.language import language_of
from outdial.conversation.understanding.meaning import Question
from outdial.conversation.understanding.understand import wants_no_more_calls
from outdial.conversation.verb_results import AgentFailed, CallEnded, Heard
from outdial.telephony.outcome import WISH

logger = logging.getLogger(__name__)

HELLO_S = 1.0      # of silence behind the callee's hello (conversation/opening.py)
LATE_S = 1.0       # for the callee's last words to be written down
HEAR_S = 2.0       # for the words of a callee who has spoken into ours
MAX_SILENCES = 2   # one after the other; then nobody is there
SILENT = Remark("The callee has said nothing for a while. Ask in a few words whether they are still there.")


async def run_realtime(agent: RealtimeAgent, call: LiveCall, models: Sequence[Model], tools: Tools) -> None:
    """Hold the conversation; raises CallEnded once the call is over, and AgentFailed when the model can't go on.

    Where the call has no audio, `models` answer in its stead, in writing.
    """
    if call.straight(_Deaf()) is None:
        await run_llm(agent, call, models, tools)
        return
    conversation = _Conversation(agent, call, models, tools)
    try:
        await conversation.hold()
    except (CallEnded, AgentFailed):
        await conversation.hear_last_words()
        raise
    finally:
        conversation.keep_calls()
        await conversation.aclose()


class _Deaf:
    def hears(self, pcm: bytes, at_ms: int) -> None: ...

    def sees_digit(self, digit: str, at_ms: int) -> None: ...


class _Conversation:
    def __init__(self, agent: RealtimeAgent, call: LiveCall, models: Sequence[Model], tools: Tools) -> None:
        self._agent = agent
        self._call = call
        self._tools = tools
        self._models = models
        self._language = language_of(agent.language)
        self._now = asyncio.get_running_loop().time
        self._history: list[Message] = []
        self._texts = Texts(agent, call)
        self._quiet = quiet = Quiet(self._now)
        about = About(call_id=call.call_id, known=lambda: self._texts.known, defaults=agent.variables)
        self._toolbox = Toolbox(agent.own_tools, tools, about, self._server_away)
        one_moment = self._language.texts["one_moment"]
        self._asking = Asking(
            call, self._toolbox, self._history, quiet, self._texts.to_say, one_moment, self._listen, self._heed
        )
        self._doing = Doing(agent, agent.do_not_call, call, self._texts, self._history, self._asking, quiet)
        meter = next((model.meter for model in models if isinstance(model, Metered)), None)
        self._spending = Spending(agent, call, meter, self._now())
        self._knowing = Knowing(self._history)
        self._talking = Talking(
            agent, call, self._knowing, self._spending, self._wants_no_more_calls, self._toolbox.heard
        )
        self._silences = 0
        self._link: Link | None = None
        self._toolbox.open()
        call.whispers.takers += 1

    async def aclose(self) -> None:
        self._call.whispers.takers -= 1
        await self._toolbox.aclose()
        if self._link is not None:
            await self._link.aclose()

    async def hear_last_words(self) -> None:
        if self._link is not None and await self._talking.last_words(LATE_S):
            self._call.noted[WISH] = True

    def keep_calls(self) -> None:
        """The call is over: what there is to keep of the tools that the model called just then."""
        wishes = list[tuple[ToolCall, Wish]]()
        for call in self._talking.take_calls():
            with suppress(NotPossible):  # the author's tools, which aren't asked any more, among them
                wishes.append((call, wish_of(call, self._agent)))
        self._doing.keep(wishes)

    async def hold(self) -> None:
        if is_spent(self._models):
            await self._call.greeting()
            await self._end_at(SPEND_LIMIT)
        self._link = Link(
            self._agent, self._tools, self._setup, self._talking.take, lost=self._was_lost, up=self._tell_connected
        )
        self._link.when_news(self._talking.wake)
        self._knowing.link = self._link
        if await self._begin():
            self._talking.respond()
            self._talking.watch.heard(HELLO_S)
        else:
            self._talking.watch.heard()
        while True:
            match await self._talking.stretch():
                case Calls() as calls:
                    self._quiet.broken(self._talking.watch.quiet_s)
                    await self._carry_out(calls)
                    self._talking.watch.heard(self._quiet.ago_s)
                    continue
                case Silence():
                    await self._hear_silence()
                case Slow():
                    await self._call.say(self._language.texts["one_moment"], interruptible=False, asks=False)
                case NoMoreCalls():
                    await self._doing.promise_no_more_calls()
                case AtLimit(limit=limit):
                    await self._end_at(limit)
                case Gone(word=word):
                    await self._give_up(word)
            self._talking.watch.heard()

    # -- the connection ------------------------------------------------------------------------------------------

    async def _setup(self) -> str:
        await self._toolbox.ready()
        instructions = instructions_for(self._agent, self._texts.known, speaks=True)
        if CALL_BACK in self._agent.tools:
            zones = zones_for(self._call.user_id, self._call.variables)
            instructions += f"\n\n{now_told(zones, clock.now())}"
        tools = (*map(_spoken, tools_of(self._agent)), *self._toolbox.tools)
        return protocol.setup(self._agent, instructions, tools)

    def _tell_connected(self, after_ms: int, attempt: int) -> None:
        self._call.tell("brain_connected", {"after_ms": after_ms, "attempt": attempt})

    def _was_lost(self, why: BrainAway) -> None:
        self._call.tell("brain_lost", {"error": why.word})

    def _server_away(self, server: str, why: str) -> None:
        logger.warning("MCP server away", extra={"call_id": self._call.call_id, "server": server, "error": why})
        self._call.tell("tools_missing", {"server": server, "error": why})

    # -- what is done between two stretches ------------------------------------------------------------------------

    async def _begin(self) -> bool:
        """The first words; true when they are the model's to say."""
        heard = await self._call.greeting()
        await self._heed(heard)
        failed = self._call.failed_transfer
        if failed is not None:
            return await self._doing.back(failed.step, f"{failed.result}")
        if self._agent.greeting is None:
            self._history += [BEGIN, *told_by(heard)]
            return True
        self._history += told_by(heard)
        said = await self._doing.say(self._texts.to_say(self._agent.greeting))
        return await self._hear_on() if said.interrupted else False

    async def _hear_on(self) -> bool:
        """The callee has spoken into words of ours; true where the model is to answer."""
        heard = await self._listen(HEAR_S)
        if heard.silent:
            return False
        await self._heed(heard)
        self._knowing.tell(*heard_as(heard))
        return True

    async def _carry_out(self, asked: Calls) -> None:
        session, wishes, answers = self._knowing.session, list[tuple[ToolCall, Wish]](), list[ToolAnswer]()
        refused = False
        for call in asked.calls:
            try:
                wishes.append((call, self._doing.wish_of(call)))
                answers.append(ToolAnswer(call, LATER))
            except NotPossible as error:
                answers.append(ToolAnswer(call, str(error)))
                refused = True
        self._history += settled([AgentSaid("", asked.calls), *answers], interrupted=asked.interrupted)
        place = len(self._history)
        step = await self._doing.carry_out(wishes, interrupted=asked.interrupted)
        if isinstance(step, Left):
            assert isinstance(step.wish, HangUp)
            if step.wish.goodbye:
                await self._doing.say(step.wish.goodbye, interruptible=False, asks=False)
            self._doing.keep(step.rest)
            await self.hear_last_words()
            await self._call.hang_up()
        self._talking.waits_s, self._doing.waits_s = self._doing.waits_s, None
        heard = self._asking.take_heard()
        for one in heard:
            self._toolbox.heard()
            self._history += heard_as(one)
        self._tell_answers(asked, session, place)
        waits = self._talking.waits_s is not None
        if not asked.interrupted and (step or heard or refused or not (asked.said or waits)):
            self._talking.respond()

    def _tell_answers(self, asked: Calls, session: int, place: int) -> None:
        """The server is told what came of the tools it called, and what was said meanwhile without it."""
        ids = {call.id for call in asked.calls}
        for message in self._history[:place]:
            if isinstance(message, ToolAnswer) and message.call.id in ids:
                self._knowing.answer(message.call, message.text, session)
            elif isinstance(message, AgentSaid) and message.text and ids & {call.id for call in message.calls}:
                self._knowing.tell_also(AgentSaid(message.text))
        self._knowing.tell_from(place)

    async def _hear_silence(self) -> None:
        """What was no more than noise is silence."""
        self._silences = 1 if self._talking.hearing.take_spoken() else self._silences + 1
        if self._silences >= MAX_SILENCES:
            said = await self._doing.say(self._language.texts["no_reply_goodbye"], asks=False)
            if not said.interrupted:
                await self._call.hang_up()
            if await self._hear_on():
                self._talking.respond()
            return
        self._knowing.tell(SILENT)
        self._talking.respond()

    async def _end_at(self, limit: str) -> None:
        self._call.tell("agent_limit", {"limit": limit})
        await self._call.say(self._language.texts["limit_goodbye"], interruptible=False)
        await self._call.hang_up()

    async def _give_up(self, word: str) -> None:
        self._call.tell("brain_failed", {"error": word})
        await self._call.say(self._language.texts["agent_failed"], interruptible=False)
        raise AgentFailed(f"The agent's realtime model failed: {word}.")

    # -- the callee ------------------------------------------------------------------------------------------------

    async def _listen(self, no_reply_s: float) -> Heard:
        """With our own ears, while the model has none."""
        return await self._call.listen(no_reply_s=no_reply_s, max_digits=MAX_DIGITS, asked=Asked())

    async def _heed(self, heard: Heard) -> None:
        self._silences = self._silences if heard.silent else 0
        if not heard.digits and self._wants_no_more_calls(heard.text):
            await self._doing.promise_no_more_calls()

    def _wants_no_more_calls(self, text: str) -> bool:
        question = Question(do_not_call=[self._texts.shown(one) for one in self._agent.do_not_call.words])
        return bool(text) and wants_no_more_calls(text, question, self._language)


def _spoken(tool: Tool) -> Tool:
    """A tool as a model has it that says its goodbye itself."""
    if tool.name != HANG_UP:
        return tool
    schema = tool.parameters
    properties = {name: one for name, one in schema["properties"].items() if name != "goodbye"}
    required = [name for name in schema["required"] if name != "goodbye"]
    about = "End the call, once you have said goodbye."
    return replace(tool, about=about, parameters={**schema, "properties": properties, "required": required})
