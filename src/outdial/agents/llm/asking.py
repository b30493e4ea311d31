"""The author's tools asked on a live call: when, what the callee hears meanwhile, and what the call's feed tells.

What changes something is asked once what the model said along with it, and the tool's own first sentence, was heard.
What changes nothing is asked while that is being said.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from outdial.agents.llm.chat import AgentSaid, Message, ToolCall
from outdial.agents.llm.history import INTERRUPTED, answer_with, is_cut_short, say_along
from outdial.agents.llm.quiet import KEEP_S, SLOW_S, Quiet
from outdial.agents.llm.told import told_of_ask
from outdial.agents.script.template import Text
from outdial.agents.tools.asks import Ask, Reply, Result, told_model
from outdial.agents.tools.toolbox import Asked, Toolbox
from outdial.conversation.live_call import LiveCall
from outdial.conversation.stopping import stop
from outdial.conversation.verb_results import Heard, Said

AT_ONCE_S = 0.3   # an answer that comes so soon isn't waited for
A_MOMENT_S = 1.5  # for an answer that changes nothing, once the callee has spoken
HEAR_OUT_S = 0.05

REPEATED = "It was asked for a moment ago, and is not done twice. What came of it: "
NOT_ASKED = Reply(result=Result.NOT_DONE)

class Asking:
    """`to_say` fills an author's text in; `one_moment` is said where an author has written nothing for slow tools.
    `listen` is the call's, for so many seconds, and `heed` does what every word of the callee's must lead to. `heard`:
    what the callee has said while a tool was asked, for the model, which hasn't been told."""

    def __init__(
        self,
        call: LiveCall,
        toolbox: Toolbox,
        history: list[Message],
        quiet: Quiet,
        to_say: Callable[[Text], str],
        one_moment: str,
        listen: Callable[[float], Coroutine[Any, Any, Heard]],
        heed: Callable[[Heard], Awaitable[None]],
    ) -> None:
        self.heard: list[Heard] = []
        self._call = call
        self._toolbox = toolbox
        self._history = history
        self._quiet = quiet
        self._to_say = to_say
        self._one_moment = one_moment
        self._listen = listen
        self._heed = heed

    def wish_of(self, call: ToolCall) -> Ask | None:
        """None for a tool that isn't the author's. Raises NotPossible."""
        ask = self._toolbox.ask_of(call)
        if ask is not None and not ask.tool.consequences:
            self._toolbox.begin(call.id, ask)
        return ask

    async def carry_out(self, call: ToolCall, ask: Ask, *, interrupted: bool) -> bool:
        """Have it answered, for the model; true when the callee has spoken, before (`interrupted`) or meanwhile."""
        if not interrupted and (prior := self._toolbox.before(ask)) is not None:
            answer_with(self._history, call, REPEATED + told_model(prior))
            self._tell(call, ask, None, Reply(result=Result.NOT_DONE, reason="repeated"))
            return False
        try:
            reply, interrupted = await self._answer(call, ask, interrupted=interrupted)
        except BaseException:  # the call is over
            self.give_up(call, ask)
            raise
        asked = self._toolbox.asked(call.id)
        self._tell(call, ask, asked, reply)
        is_told = reply.result not in (Result.NOT_DONE, Result.CANCELLED)
        answer_with(self._history, call, told_model(reply) if is_told else INTERRUPTED)
        sentences = ask.tool.sentences
        sentence = sentences.after if reply.result is Result.OK else sentences.failed
        if sentence is not None and is_told:
            said = await self._say(self._to_say(sentence))
            interrupted = interrupted or is_cut_short(said)
            if said.text:
                self._history.append(AgentSaid(said.text))
        return interrupted

    def take_heard(self) -> list[Heard]:
        heard, self.heard = self.heard, []
        return heard

    def give_up(self, call: ToolCall, ask: Ask) -> None:
        """Nobody waits for it any more."""
        asked = self._toolbox.asked(call.id)
        if asked is None:
            self._tell(call, ask, None, NOT_ASKED)
            return
        asked.task.cancel()  # whoever cancels us doesn't wait
        self._tell(call, ask, asked, self._toolbox.became(asked))

    # -- inside ------------------------------------------------------------------------------------------------

    async def _answer(self, call: ToolCall, ask: Ask, *, interrupted: bool) -> tuple[Reply, bool]:
        if not interrupted and ask.tool.sentences.before is not None:
            said = await self._say(self._to_say(ask.tool.sentences.before))
            say_along(self._history, call, said.text)
            interrupted = is_cut_short(said)
        if interrupted:
            begun = self._toolbox.asked(call.id)
            return (NOT_ASKED if begun is None else await self._toolbox.cancel(begun)), True
        asked = self._toolbox.begin(call.id, ask)
        spoke = await self._keep_company(call, asked)
        return await self._toolbox.cancel(asked), spoke

    async def _keep_company(self, call: ToolCall, asked: Asked) -> bool:
        """Until there is an answer, or, of what changes nothing, until a moment after the callee has spoken; true when
        they have. Their words are kept."""
        slow, most_s, spoke = asked.ask.tool.sentences.slow, SLOW_S, False
        await asyncio.wait({asked.task}, timeout=min(AT_ONCE_S, self._quiet.left_s(most_s)))
        while not asked.is_done:
            if spoke and not asked.ask.tool.consequences:
                await asyncio.wait({asked.task}, timeout=A_MOMENT_S)
                break
            if await self._hears(asked, max(HEAR_OUT_S, self._quiet.left_s(most_s))):
                spoke, most_s = True, SLOW_S
            elif not asked.is_done and self._quiet.left_s(most_s) < HEAR_OUT_S:
                said = await self._say(self._one_moment if slow is None else self._to_say(slow))
                if slow is not None:
                    say_along(self._history, call, said.text)
                slow, most_s = None, KEEP_S
        return spoke

    async def _hears(self, asked: Asked, no_reply_s: float) -> bool:
        """Whether the callee speaks before the tool has answered; who speaks just then is heard out."""
        listening = asyncio.create_task(self._listen(no_reply_s), name="listening while a tool is asked")
        try:
            await asyncio.wait({listening, asked.task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not listening.done():
                await stop(listening)
        heard = listening.result() if not listening.cancelled() else await self._listen(HEAR_OUT_S)
        if heard.silent:
            return False
        self._quiet.broken()
        self.heard.append(heard)
        await self._heed(heard)
        return True

    async def _say(self, text: str) -> Said:
        said = await self._call.say(text, asks=False)
        self._quiet.broken()
        return said

    def _tell(self, call: ToolCall, ask: Ask, asked: Asked | None, reply: Reply) -> None:
        self._call.tell("tool", {"tool": call.tool, **told_of_ask(ask, reply, asked)})
