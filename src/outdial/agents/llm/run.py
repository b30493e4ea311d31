"""A conversation that a model leads, on a live call.

What no author should have to spell out is here, as with scripts: the callee who interrupts is listened to, whoever
wants no more calls gets none, silence is asked about, and every call comes to an end. What the model wants done is done
once, when what it said along with it was heard.
"""

import asyncio
import logging
from collections.abc import Sequence

from outdial.agents.llm.answering import Answering, last_words
from outdial.agents.llm.chat import AgentSaid, CalleeSaid, Message, Model, ModelFailed, Remark, Request, ToolCall
from outdial.agents.llm.definition import LlmAgent, TransferTarget
from outdial.agents.llm.history import heard_of, is_cut_short, settled, shortened
from outdial.agents.llm.instructions import instructions_for
from outdial.agents.llm.texts import Texts, as_data, without_brackets
from outdial.agents.llm.told import told_of
from outdial.agents.llm.tools import (
    DoNotCall,
    HangUp,
    Note,
    NotPossible,
    SendDigits,
    Transfer,
    Wait,
    Wish,
    tools_of,
    wish_of,
)
from outdial.conversation.live_call import AgentFailed, CallEnded, Heard, LiveCall, Said, TransferFailed
from outdial.conversation.turn_words import Asked
from outdial.conversation.understanding.language import language_of
from outdial.conversation.understanding.meaning import Kind, Question
from outdial.conversation.understanding.understand import understand, wants_no_more_calls
from outdial.telephony.outcome import NAMED, WISH

logger = logging.getLogger(__name__)

NO_REPLY_S = 8.0
HOLD_S = 60.0       # of silence, for a callee who needs a moment
PARTING_S = 2.0     # after our goodbye, for theirs
KEEP_S = 3.5        # of silence while the model is slow; then the callee is told again that it takes a moment
MAX_DIGITS = 20     # pressed in one go
MAX_SILENCES = 2    # one after the other; then nobody is there
MAX_TAKEN_BACK = 3  # one after the other: who goes on and on isn't answered before they are done

BEGIN = Remark("The call has just been answered. Say the first words.")
STOPPED = Remark("The callee began to speak: the call goes on.")
CUT_OFF = Remark("Somebody on your side stopped you there, and spoke to the callee. The call goes on.")
_AFTER_GOODBYE = (Kind.QUESTION, Kind.WAIT, Kind.REPEAT)  # the callee isn't done


async def run_llm(agent: LlmAgent, call: LiveCall, models: Sequence[Model]) -> None:
    """Hold the conversation; raises CallEnded once the call is over, and AgentFailed when no model answers.

    What the model notes is written to `call.noted`; `do_not_call` becomes true when the callee wants no more calls.
    """
    await _Conversation(agent, call, [*models]).hold()


class _Conversation:
    def __init__(self, agent: LlmAgent, call: LiveCall, models: list[Model]) -> None:
        self._agent = agent
        self._call = call
        self._models = models
        self._language = language_of(agent.language)
        self._one_moment = self._language.texts["one_moment"]
        self._history: list[Message] = []
        self._texts = Texts(agent, call)
        self._instructions = instructions_for(agent, self._texts.known)
        self._tools = tools_of(agent)
        self._now = asyncio.get_running_loop().time
        self._began = self._now()
        self._turns = self._tokens = 0
        self._dollars = 0.0
        self._said_goodbye = False
        self._taken_back = 0
        self._wait_s = NO_REPLY_S
        self._warming: asyncio.Task[None] | None = None

    async def hold(self) -> None:
        self._warming = asyncio.create_task(self._models[0].warm_up(), name="warming up a model")
        try:
            goes_on = await self._begin()
            while True:
                if not goes_on:
                    await self._hear()
                goes_on = await self._take_turn()
        finally:
            self._warming.cancel()

    async def _begin(self) -> bool:
        """The first words; true when they are the model's to say."""
        heard = await self._call.greeting()
        await self._heed_wish(heard)
        failed = self._call.failed_transfer
        if failed is not None:
            target = next((one for one in self._agent.transfers if one.name == failed.step), None)
            return await self._back(target, f"{failed.result}")
        if self._agent.greeting is None:
            self._history.append(BEGIN)
            self._history += self._told_by(heard)
            return True
        self._history += self._told_by(heard)
        said = await self._call.say(self._texts.to_say(self._agent.greeting))
        self._heard_saying(said)
        return False

    # -- the callee ----------------------------------------------------------------------------------------------

    async def _hear(self) -> None:
        """Until the callee has said something, which goes into the history. Ends the call where nobody does."""
        silences = 0
        while (heard := await self._listen(self._wait_s)).silent:
            self._wait_s = NO_REPLY_S
            silences += 1
            asks = silences < MAX_SILENCES
            said = await self._call.say(self._language.texts["still_there" if asks else "no_reply_goodbye"], asks=asks)
            self._heard_saying(said)
            if said.interrupted:
                silences = 0
            elif not asks:
                await self._call.hang_up()
        self._wait_s = NO_REPLY_S
        pressed = CalleeSaid(f"[pressed {heard.digits}]" if heard.digits else "[is back]")
        self._history += self._told_by(heard) or [pressed]

    async def _listen(self, no_reply_s: float) -> Heard:
        takes_back = self._taken_back < MAX_TAKEN_BACK
        asked = Asked(question=last_words(self._history), takes_back=takes_back)
        heard = await self._call.listen(no_reply_s=no_reply_s, max_digits=MAX_DIGITS, asked=asked)
        await self._heed_wish(heard)
        return heard

    async def _heed_wish(self, heard: Heard) -> None:
        if not heard.digits and self._wants_no_more_calls(heard.text):
            await self._promise_no_more_calls()

    def _told_by(self, heard: Heard) -> list[Message]:
        """What the model is to know of it."""
        return [CalleeSaid(without_brackets(heard.text))] if heard.text else []

    def _wants_no_more_calls(self, text: str) -> bool:
        question = Question(do_not_call=[self._texts.shown(one) for one in self._agent.do_not_call.words])
        return bool(text) and wants_no_more_calls(text, question, self._language)

    async def _promise_no_more_calls(self) -> None:
        self._call.noted[WISH] = True
        await self._call.say(self._texts.to_say(self._agent.do_not_call.say), interruptible=False)
        await self._call.hang_up()

    # -- the model -----------------------------------------------------------------------------------------------

    async def _take_turn(self) -> bool:
        """Have the model answer; true when it is to go on without hearing the callee first."""
        await self._keep_limits()
        self._turns += 1
        answering = Answering(self._models, self._request(), self._wish_of, self._model_failed)
        try:
            said = await self._say(answering)
            if said is None or not is_cut_short(said):
                await answering.whole()
        except (CallEnded, asyncio.CancelledError):
            self._keep(answering.wishes)
            raise
        finally:
            await answering.cancel()
            self._tokens += answering.tokens
            self._dollars += answering.dollars
        if said is not None and said.taken_back:
            self._taken_back += 1
            self._forget_answered()
            return False
        self._taken_back = 0
        self._tell_times(answering)
        interrupted = said is not None and is_cut_short(said)
        answer: Sequence[Message] = answering.messages
        if said is not None and interrupted:
            answer = heard_of(answer, said.text.replace(self._one_moment, "", answering.fillers))
        self._history += settled(answer, interrupted=interrupted)
        if said is not None and said.cut_off:
            self._history.append(CUT_OFF)
        if answering.failure is not None and not interrupted:
            await self._give_up(answering.failure)
        return await self._carry_out(answering.wishes, interrupted=interrupted)

    async def _say(self, answering: Answering) -> Said | None:
        """None when there was nothing to say. Who speaks into our waiting is heard as if into our words."""
        while not answering.begun.is_set():
            begun = asyncio.create_task(answering.begun.wait())
            try:
                await asyncio.wait({begun}, timeout=KEEP_S)
            finally:
                begun.cancel()
            if not answering.begun.is_set():
                said = await self._call.say(self._one_moment, asks=False)
                if said.interrupted:
                    await answering.cancel()
                    answering.messages.clear()
                    answering.wishes.clear()
                    return Said(text="", played_ms=0, interrupted=True, complete=False, taken_back=said.taken_back)
        return await self._call.say(answering.words(self._one_moment)) if answering.has_words else None

    def _request(self) -> Request:
        return Request(instructions=self._instructions, messages=shortened(self._history), tools=self._tools)

    def _wish_of(self, call: ToolCall) -> Wish:
        wish = wish_of(call, self._agent)
        if isinstance(wish, Transfer) and self._texts.number(self._target(wish)) is None:
            raise NotPossible("There is no number to connect the callee to. Tell them so.")
        return wish

    def _forget_answered(self) -> None:
        """The callee goes on with what it said last: it will come again, with all of it."""
        while self._history and isinstance(self._history[-1], CalleeSaid):
            self._history.pop()

    def _model_failed(self, model: Model, failure: ModelFailed) -> None:
        fields = {"call_id": self._call.call_id, "model": model.name, "error": failure.word}
        logger.warning("Model failed", extra=fields)
        self._call.tell("model_failed", {"model": model.name, "error": failure.word})

    def _tell_times(self, answering: Answering) -> None:
        times = answering.times
        self._call.tell(
            "model",
            {
                "model": times.model,
                "first_word_ms": times.first_word_ms,
                "first_sentence_ms": times.first_sentence_ms,
                "total_ms": times.total_ms,
                "tokens": answering.tokens,
            },
        )

    async def _give_up(self, failure: ModelFailed) -> None:
        await self._call.say(self._language.texts["agent_failed"], interruptible=False)
        raise AgentFailed(f"The agent's model failed: {failure.word}.")

    async def _keep_limits(self) -> None:
        limits = self._agent.limits
        reached = {
            "turns": self._turns >= limits.turns,
            "seconds": limits.seconds is not None and self._now() - self._began >= limits.seconds,
            "tokens": limits.tokens is not None and self._tokens >= limits.tokens,
            "dollars": limits.dollars is not None and self._dollars >= limits.dollars,
        }
        if (limit := next((name for name, is_reached in reached.items() if is_reached), None)) is not None:
            self._call.tell("agent_limit", {"limit": limit})
            await self._call.say(self._language.texts["limit_goodbye"], interruptible=False)
            await self._call.hang_up()

    # -- what the model wants ------------------------------------------------------------------------------------

    async def _carry_out(self, wishes: Sequence[tuple[ToolCall, Wish]], *, interrupted: bool) -> bool:
        """In order; true when the model goes on. Of an answer that was interrupted only what was noted counts."""
        goes_on = False
        for place, (call, wish) in enumerate(wishes, 1):
            is_done = isinstance(wish, Note) or not interrupted
            self._call.tell("tool", {"tool": call.tool, **told_of(wish), "done": is_done})
            self._note(wish)
            if is_done:
                try:
                    goes_on = await self._do(wish)
                except (CallEnded, asyncio.CancelledError):
                    self._keep(wishes[place:])
                    raise
                if goes_on or isinstance(wish, HangUp | Transfer | DoNotCall):
                    break
        return goes_on

    def _keep(self, wishes: Sequence[tuple[ToolCall, Wish]]) -> None:
        """What there is to keep of them on a call that is over: what was noted, what came of it, no more calls."""
        for call, wish in wishes:
            self._call.tell("tool", {"tool": call.tool, **told_of(wish), "done": isinstance(wish, Note)})
            self._note(wish)

    def _note(self, wish: Wish) -> None:
        if isinstance(wish, DoNotCall):
            self._call.noted[WISH] = True  # heard or not, and whatever is said into the promise
        elif isinstance(wish, Note):
            self._call.noted.update(wish.values)
        elif isinstance(wish, HangUp) and wish.outcome is not None:
            self._call.noted[NAMED] = wish.outcome

    async def _do(self, wish: Wish) -> bool:
        match wish:
            case HangUp(goodbye=goodbye):
                return await self._hang_up(goodbye)
            case DoNotCall():
                await self._promise_no_more_calls()
            case Transfer():
                return await self._transfer(self._target(wish))
            case SendDigits(digits=digits):
                await self._call.send_digits(digits)
            case Wait():
                self._wait_s = HOLD_S
        return False

    async def _hang_up(self, goodbye: str) -> bool:
        if goodbye:
            said = await self._call.say(goodbye, asks=False)
            self._heard_saying(said)
            if is_cut_short(said):
                self._history.append(CUT_OFF if said.cut_off else STOPPED)
                return False
        if not self._said_goodbye:
            self._said_goodbye = True
            heard = await self._listen(PARTING_S)
            if heard.text and understand(heard.text, Question(), self._language).kind in _AFTER_GOODBYE:
                self._history += self._told_by(heard)
                return True
        await self._call.hang_up()
        return False

    async def _transfer(self, target: TransferTarget) -> bool:
        number = self._texts.number(target)
        assert number is not None  # else it was no wish
        if target.say is not None:
            self._heard_saying(await self._call.say(self._texts.to_say(target.say), interruptible=False))
        try:
            await self._call.transfer(number, failed=target.name)
        except TransferFailed:  # the call's record says why
            return await self._back(target, "failed")
        return False

    async def _back(self, target: TransferTarget | None, result: str) -> bool:
        """Nobody took the callee; true when the model is to say so."""
        name = "" if target is None else f" to {target.name}"
        facts = {fact.name for fact in self._agent.facts}
        noted = {key: value for key, value in self._call.noted.items() if key in facts}
        so_far = f" Data noted so far, from what the callee said: {as_data(noted)}" if noted else ""
        self._history.append(Remark(f"The transfer{name} came to nothing ({result}): the callee is with you.{so_far}"))
        if target is None or target.failed is None:
            return True
        self._heard_saying(await self._call.say(self._texts.to_say(target.failed)))
        return False

    # -- texts ---------------------------------------------------------------------------------------------------

    def _heard_saying(self, said: Said) -> None:
        if said.text:
            self._history.append(AgentSaid(said.text))

    def _target(self, wish: Transfer) -> TransferTarget:
        return next(one for one in self._agent.transfers if one.name == wish.target)
