"""What the callee means by what it says, who has been waited for where that was asked for."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from outdial.agents.llm.chat import Model, ModelFailed
from outdial.agents.llm.choosing import Choice, choose
from outdial.agents.script.attempts import MAX_HELD
from outdial.agents.script.model import Ask, Script, Understand
from outdial.agents.script.models import ScriptModels
from outdial.agents.script.replies import Replies, Reply, is_silent
from outdial.agents.script.typed import Listen, TypedAnswers
from outdial.conversation.live_call import LiveCall
from outdial.conversation.stopping import stop
from outdial.conversation.understanding.meaning import SOMEBODY_ELSE, Kind
from outdial.conversation.verb_results import Heard
from outdial.telephony.outcome import NAMED

logger = logging.getLogger(__name__)

FILLER_S = 1.5  # of silence while a model thinks; then the callee is told that it takes a moment
MORE_S = 2.0    # for the words of a callee who spoke into that

_NOTHING_MATCHED = (Kind.UNCLEAR, Kind.QUESTION, Kind.YES, Kind.NO)


class Understanding:
    """Of one call."""

    def __init__(
        self,
        script: Script,
        call: LiveCall,
        replies: Replies,
        typed: TypedAnswers,
        listen: Listen,
        heed_wish: Callable[[Heard], Awaitable[None]],
        models: ScriptModels,
    ) -> None:
        self._script = script
        self._call = call
        self._replies = replies
        self._typed = typed
        self._listen = listen
        self._heed_wish = heed_wish
        self._models = models

    async def of(self, heard: Heard, ask: Ask | None) -> Reply:
        """Ends the call where there is nobody to talk to."""
        reply = self._replies.reply(await self._typed.whole(heard, ask), ask)
        for _ in range(MAX_HELD):
            if reply.kind is not Kind.WAIT:
                break
            await self._call.say(self._replies.words("of_course"))
            heard = await self._listen(self._script.hold_s, ask)
            if is_silent(heard):
                return self._replies.away()
            if self._replies.is_back(heard):
                return self._replies.back()
            reply = self._replies.reply(await self._typed.whole(heard, ask), ask)
        if reply.kind in SOMEBODY_ELSE and reply.answer is None:
            self._call.noted[NAMED] = reply.kind.value
            await self._call.say(self._replies.words(reply.kind.value), interruptible=False)
            await self._call.hang_up()
        return reply

    async def of_answer(self, heard: Heard, ask: Ask) -> Reply:
        """To a question that was asked, where a model may be asked about what matched nothing."""
        reply = await self.of(heard, ask)
        if not self._is_for_model(reply, ask):
            return reply
        chosen, more = await self._chosen(reply, ask)
        if more is None:
            return chosen
        reply = await self.of(more, ask)
        return (await self._chosen(reply, ask, speaks=False))[0] if self._is_for_model(reply, ask) else reply

    # -- by a model ----------------------------------------------------------------------------------------------

    def _is_for_model(self, reply: Reply, ask: Ask) -> bool:
        """Keys and what was matched by words are never its business."""
        is_open = reply.answer is None and reply.kind in _NOTHING_MATCHED and not (reply.away or reply.back)
        return ask.understand is Understand.MODEL and is_open and bool(reply.heard.text.strip())

    async def _chosen(self, reply: Reply, ask: Ask, *, speaks: bool = True) -> tuple[Reply, Heard | None]:
        """The reply with the answer that a model chose, or as it was; or what the callee said instead while a model was
        thinking. `speaks`: tells the callee when it takes long."""
        answers = self._replies.choices(ask)
        now = asyncio.get_running_loop().time
        began = now()
        models = self._models.named(self._script.models)
        phrases = {title: words for title, (_, words) in answers.items()}
        question = self._replies.question(ask).text
        thinking = asyncio.create_task(
            choose(models, question, phrases, reply.heard.text, self._model_failed), name="answer chosen by a model"
        )
        try:
            await asyncio.wait({thinking}, timeout=FILLER_S)
            if speaks and not thinking.done() and (more := await self._said_meanwhile(reply.heard, ask)) is not None:
                return reply, more
            choice = await thinking
        finally:
            await stop(thinking)
        self._tell(choice, round((now() - began) * 1000))
        if choice.answer is None:
            return reply, None
        return self._replies.chosen(reply.heard, answers[choice.answer][0], ask), None

    async def _said_meanwhile(self, heard: Heard, ask: Ask) -> Heard | None:
        """All that the callee has said, where it went on while we said that it takes a moment."""
        said = await self._call.say(self._replies.words("one_moment"), asks=False)
        if not (said.interrupted or said.taken_back):
            return None
        more = await self._listen(MORE_S, ask)
        if is_silent(more):
            return None
        if said.taken_back or more.digits:
            return more
        whole = Heard(text=f"{heard.text} {more.text}")
        await self._heed_wish(whole)
        return whole

    def _tell(self, choice: Choice, ms: int) -> None:
        told = {"model": choice.model, "answer": choice.answer, "total_ms": ms, "tokens": choice.tokens}
        self._call.tell("understood", told)

    def _model_failed(self, model: Model, failure: ModelFailed) -> None:
        fields = {"call_id": self._call.call_id, "model": model.name, "error": failure.word}
        logger.warning("Model failed", extra=fields)
        self._call.tell("model_failed", {"model": model.name, "error": failure.word})
