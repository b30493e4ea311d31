"""A free conversation that a model leads, until its part is over: turns, silence, limits.

What the model wants done is done in doing.py. What comes before, and what becomes of the call afterwards, is the
business of whoever lets it talk: run.py.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from outdial import clock
from outdial.agents.llm.answering import Answering, last_words
from outdial.agents.llm.asking import Asking
from outdial.agents.llm.call_back import now_told, zones_for
from outdial.agents.llm.chat import CalleeSaid, Message, Model, ModelFailed, Remark, Request
from outdial.agents.llm.doing import Doing, Left
from outdial.agents.llm.free_talk import FreeTalk
from outdial.agents.llm.guessing import Guesses
from outdial.agents.llm.history import forget_answered, heard_of, is_cut_short, settled, shortened, tell
from outdial.agents.llm.instructions import instructions_for
from outdial.agents.llm.metering import SPEND_LIMIT, SpendLimitPassed, is_spent
from outdial.agents.llm.quiet import KEEP_S, Quiet
from outdial.agents.llm.texts import Texts, without_brackets
from outdial.agents.llm.tools import CALL_BACK, tools_of
from outdial.agents.script.model import DoNotCall
from outdial.agents.tools.access import Tools
from outdial.agents.tools.toolbox import About, Toolbox
from outdial.conversation.live_call import LiveCall
from outdial.conversation.turn_words import Asked
from outdial.conversation.understanding.language import language_of
from outdial.conversation.understanding.meaning import Question
from outdial.conversation.understanding.understand import wants_no_more_calls
from outdial.conversation.verb_results import CallEnded, Heard, Said

logger = logging.getLogger(__name__)

NO_REPLY_S = 8.0
MAX_DIGITS = 20     # pressed in one go
MAX_SILENCES = 2    # one after the other; then nobody is there
MAX_TAKEN_BACK = 3  # one after the other: who goes on and on isn't answered before they are done

CUT_OFF = Remark("Somebody on your side stopped you there, and spoke to the callee. The call goes on.")


@dataclass(frozen=True, slots=True)
class AtLimit:
    """`limit`: which of those that its author has set, or the workspace's `spend_limit`."""

    limit: str


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """No model gave one."""

    failure: ModelFailed


@dataclass(frozen=True, slots=True)
class TakenBack:
    """The callee goes on with what it said before the model's part began."""


End = Left | AtLimit | NoAnswer | TakenBack
Takes = Callable[[Heard], Awaitable[None]]


@dataclass(slots=True)
class Spent:
    """Of what limits limit."""

    turns: int = 0
    tokens: int = 0
    dollars: float = 0.0
    seconds: float = 0.0


async def _takes_nothing(heard: Heard) -> None: ...


class Talking:
    """Of one call. `models` are asked in their order; those that failed go behind those that answered, in the list
    itself. `history` is what was said so far, and grows; `spent` what earlier parts have spent. `takes` gets what the
    callee says or presses before the model does. `tools`: how its author's are reached. `aclose` it in the end."""

    def __init__(
        self,
        talk: FreeTalk,
        do_not_call: DoNotCall,
        call: LiveCall,
        models: list[Model],
        history: list[Message],
        tools: Tools,
        takes: Takes = _takes_nothing,
        spent: Spent | None = None,
    ) -> None:
        self.history = history
        self.texts = Texts(talk, call)
        self._language = language_of(talk.language)
        self._one_moment = self._language.texts["one_moment"]
        self._quiet = Quiet(asyncio.get_running_loop().time)
        about = About(call_id=call.call_id, known=lambda: self.texts.known, defaults=talk.variables)
        self._toolbox = Toolbox(talk.own_tools, tools, about, self._server_away)
        self._asking = asking = Asking(
            call,
            self._toolbox,
            history,
            self._quiet,
            self.texts.to_say,
            self._one_moment,
            self._listen,
            self.heed_wish,
        )
        self.doing = Doing(talk, do_not_call, call, self.texts, history, asking, self._quiet)
        self._talk = talk
        self._do_not_call = do_not_call
        self._call = call
        self._models = models
        self._instructions = instructions_for(talk, self.texts.known)
        self._tools = tools_of(talk)
        if CALL_BACK in talk.tools:  # last, as it is another text for every call
            zones = zones_for(call.user_id, call.variables)
            self._instructions += f"\n\n{now_told(zones, clock.now())}"
        self._now = asyncio.get_running_loop().time
        self._spent = spent or Spent()
        self._began = self._now() - self._spent.seconds
        self._takes = takes
        self._taken_back = 0
        self.has_heard = False  # the callee, in this part
        self._guesses = Guesses(self._request_for, self._ask_on_a_guess, self._tell_dropped)
        self._toolbox.open()
        call.whispers.takers += 1

    async def aclose(self) -> None:
        """Nothing of it is under way any more."""
        self._call.whispers.takers -= 1
        await self._toolbox.aclose()

    async def until_its_end(self, *, goes_on: bool) -> End:
        """`goes_on`: the model has the word, and the callee isn't heard first. Raises CallEnded once the call is over,
        also where nobody speaks or the callee wants no more calls."""
        try:
            while True:
                if not goes_on:
                    await self._hear()
                if (limit := self.limit()) is not None:
                    return AtLimit(limit)
                step = await self._take_turn()
                if not isinstance(step, bool):
                    self._spent.seconds = self._now() - self._began
                    return step
                goes_on = step
        finally:
            await self._guesses.end()

    def limit(self) -> str | None:
        """The one that is reached, which is told of."""
        limit = self._limit_reached()
        if limit is not None:
            self._call.tell("agent_limit", {"limit": limit})
        return limit

    # -- the callee ----------------------------------------------------------------------------------------------

    async def _hear(self) -> None:
        """Until the callee has said something, which goes into the history. Ends the call where nobody does."""
        silences = 0
        no_reply_s, self.doing.waits_s = self.doing.waits_s or NO_REPLY_S, None
        while (heard := await self.listen(no_reply_s)).silent:
            no_reply_s = NO_REPLY_S
            silences += 1
            asks = silences < MAX_SILENCES
            said = await self.doing.say(self._language.texts["still_there" if asks else "no_reply_goodbye"], asks=asks)
            if said.interrupted:
                silences = 0
            elif not asks:
                await self._call.hang_up()
        await self._answered_with(heard)

    async def _answered_with(self, heard: Heard) -> None:
        self._toolbox.heard()
        self.has_heard = True
        self.history += heard_as(heard)
        await self._takes(heard)

    async def listen(self, no_reply_s: float) -> Heard:
        """Without a word of it in the history. Ends the call of who wants no more of them."""
        takes_back = self._taken_back < MAX_TAKEN_BACK
        guessed = self._guesses.heard if self._talk.think_ahead else None
        heard = await self._listen(no_reply_s, takes_back=takes_back, guessed=guessed)
        self._quiet.broken()
        await self.heed_wish(heard)
        return heard

    async def _listen(
        self, no_reply_s: float, *, takes_back: bool = False, guessed: Callable[[str | None], object] | None = None
    ) -> Heard:
        asked = Asked(question=last_words(self.history), takes_back=takes_back, guessed=guessed)
        return await self._call.listen(no_reply_s=no_reply_s, max_digits=MAX_DIGITS, asked=asked)

    async def heed_wish(self, heard: Heard) -> None:
        """Whoever wants no more calls is promised that, and talked to no more."""
        if not heard.digits and self._wants_no_more_calls(heard.text):
            await self.doing.promise_no_more_calls()

    def _wants_no_more_calls(self, text: str) -> bool:
        question = Question(do_not_call=[self.texts.shown(one) for one in self._do_not_call.words])
        return bool(text) and wants_no_more_calls(text, question, self._language)

    # -- the model -----------------------------------------------------------------------------------------------

    async def _take_turn(self) -> bool | End:
        """Have the model answer; true when it is to go on without hearing the callee first."""
        self._spent.turns += 1
        await self._toolbox.ready()
        tell(self.history, self._call.whispers.take())
        request = self._request()
        answering = self._guesses.take(request) or self._ask(request)
        try:
            said = await self._say(answering)
            if said is None or not is_cut_short(said):
                await answering.whole()
        except (CallEnded, asyncio.CancelledError):
            self.doing.keep(answering.wishes)
            raise
        finally:
            await answering.cancel()
            self._spent.tokens += answering.tokens
            self._spent.dollars += answering.dollars
        if said is not None and said.taken_back:
            self._taken_back += 1
            self.doing.give_up(answering.wishes)
            forget_answered(self.history)
            return False if self.has_heard else TakenBack()
        self._taken_back = 0
        self._tell_times(answering)
        interrupted = said is not None and is_cut_short(said)
        answer: Sequence[Message] = answering.messages
        if said is not None and interrupted:
            answer = heard_of(answer, said.text.replace(self._one_moment, "", answering.fillers))
        self.history += settled(answer, interrupted=interrupted)
        if said is not None and said.cut_off:
            self.history.append(CUT_OFF)
        if answering.failure is not None and not interrupted:
            self.doing.keep(answering.wishes)
            if isinstance(answering.failure, SpendLimitPassed):
                self._call.tell("agent_limit", {"limit": SPEND_LIMIT})
                return AtLimit(SPEND_LIMIT)
            return NoAnswer(answering.failure)
        step = await self.doing.carry_out(answering.wishes, interrupted=interrupted)
        for heard in self._asking.take_heard():
            await self._answered_with(heard)
        return step

    async def _say(self, answering: Answering) -> Said | None:
        """None when there was nothing to say. Who speaks into our waiting is heard as if into our words."""
        while not answering.begun.is_set():
            begun = asyncio.create_task(answering.begun.wait())
            try:
                await asyncio.wait({begun}, timeout=self._quiet.left_s(KEEP_S))
            finally:
                begun.cancel()
            if not answering.begun.is_set():
                said = await self._call.say(self._one_moment, asks=False)
                self._quiet.broken()
                if said.interrupted:
                    await answering.cancel()
                    self.doing.give_up(answering.wishes)
                    answering.messages.clear()
                    answering.wishes.clear()
                    return Said(text="", played_ms=0, interrupted=True, complete=False, taken_back=said.taken_back)
        if not answering.has_words:
            return None
        said = await self._call.say(answering.thought(self._one_moment))
        self._quiet.broken()
        return said

    def _request(self) -> Request:
        tools = (*self._tools, *self._toolbox.tools)
        return Request(instructions=self._instructions, messages=shortened(self.history), tools=tools)

    def _ask(self, request: Request, *, confirmed: bool = True) -> Answering:
        return Answering(self._models, request, self.doing.wish_of, self._model_failed, confirmed=confirmed)

    def _request_for(self, text: str) -> Request | None:
        """What the model would be asked, if that was all the callee said."""
        if self._wants_no_more_calls(text):
            return None
        said = CalleeSaid(without_brackets(text))
        return replace(self._request(), messages=shortened([*self.history, said]))

    def _ask_on_a_guess(self, request: Request) -> Answering:
        return self._ask(request, confirmed=False)

    def _tell_dropped(self, answering: Answering) -> None:
        self.doing.give_up(answering.wishes)
        self._spent.tokens += answering.tokens
        self._spent.dollars += answering.dollars
        self._call.tell("guess_dropped", {"model": answering.times.model, "tokens": answering.tokens})

    def _model_failed(self, model: Model, failure: ModelFailed) -> None:
        fields = {"call_id": self._call.call_id, "model": model.name, "error": failure.word}
        logger.warning("Model failed", extra=fields)
        self._call.tell("model_failed", {"model": model.name, "error": failure.word})

    def _server_away(self, server: str, why: str) -> None:
        logger.warning("MCP server away", extra={"call_id": self._call.call_id, "server": server, "error": why})
        self._call.tell("tools_missing", {"server": server, "error": why})

    def _tell_times(self, answering: Answering) -> None:
        times = answering.times
        self._call.tell(
            "model",
            {
                "model": times.model,
                "first_word_ms": times.first_word_ms,
                "first_sentence_ms": times.first_sentence_ms,
                "total_ms": times.total_ms,
                "ahead_ms": answering.ahead_ms,
                "tokens": answering.tokens,
                "dollars": answering.dollars if answering.is_priced else None,
                "estimated_tokens": answering.estimated_tokens,
            },
        )

    def _limit_reached(self) -> str | None:
        limits, spent = self._talk.limits, self._spent
        spent.seconds = self._now() - self._began
        reached = {
            "turns": spent.turns >= limits.turns,
            "seconds": limits.seconds is not None and spent.seconds >= limits.seconds,
            "tokens": limits.tokens is not None and spent.tokens >= limits.tokens,
            "dollars": limits.dollars is not None and spent.dollars >= limits.dollars,
            SPEND_LIMIT: is_spent(self._models),
        }
        return next((name for name, is_reached in reached.items() if is_reached), None)


def told_by(heard: Heard) -> list[Message]:
    """What a model is to know of words."""
    return [CalleeSaid(without_brackets(heard.text))] if heard.text else []


def heard_as(heard: Heard) -> list[Message]:
    """What a model is to know of words, or keys, or of who is back."""
    return told_by(heard) or [CalleeSaid(f"[pressed {heard.digits}]" if heard.digits else "[is back]")]
