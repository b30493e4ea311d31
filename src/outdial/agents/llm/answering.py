"""One answer of a model's, made sentence by sentence while the first ones are being said: with its tools, and with
another model where one fails."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from secrets import token_hex

from outdial.agents.llm.chat import (
    AgentSaid,
    Message,
    Model,
    ModelFailed,
    Piece,
    Remark,
    Request,
    ToolAnswer,
    ToolCall,
    Usage,
    Words,
)
from outdial.agents.llm.history import ASKED, DONE, LATER
from outdial.agents.llm.metering import measured
from outdial.agents.llm.tools import Note, Wish
from outdial.agents.llm.unspoken import Unspoken
from outdial.agents.tools.asks import Ask, NotPossible
from outdial.conversation.sentences import Cutter
from outdial.conversation.stopping import stop
from outdial.conversation.transcript import MS_PER_CHAR
from outdial.conversation.verb_results import Thought

logger = logging.getLogger(__name__)

MAX_ROUNDS = 5     # requests for one answer: a model that only calls tools is stopped
MAX_CALLS = 10     # of tools, in one response
MAX_SENTENCES = 40
MOST_CHARS_A_TOKEN = 5  # said by a model that doesn't end where it was told to
FIRST_S = 4.0      # for a model's first piece where another one could answer

SETTLE_S = 0.04    # of nothing after what may be the end of a sentence, and need not be: it is
TIMEOUT = "timeout"
RESPONSE_S = 20.0  # a response may go on for so long without a sentence in it: thinking, or writing a tool's arguments
QUIET_S = 2.5      # of silence after the last sentence, by our estimate of when it was played: a filler is due

BROKEN_OFF = Remark("Your connection broke off there. Go on where you stopped, without saying it again.")
NO_ANSWER = ModelFailed("no_answer")
SAY_SOMETHING = Remark("You said nothing. Say something to the callee.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Of an answer, in ms since it was asked for; None for what didn't come."""

    model: str
    first_word_ms: int | None
    first_sentence_ms: int | None
    total_ms: int


class Answering:
    """In the making from the beginning; `cancel` it in the end, also when it is whole.

    `begun` is set when there is something to say, or nothing more will come; `messages` is what the model has said and
    called so far, `wishes` what it wants to be done, in order, each with its call. `failure` tells why it broke off.
    Models that failed go behind those that answered, in `models` itself. `failed` is told of each failure. One that
    isn't `confirmed` is made on a guess: a model is asked once, and no tool it calls is read before `confirm`.

    `tokens` are the server's count; of a response that was broken off before that came, our estimate.
    """

    def __init__(
        self,
        models: list[Model],
        request: Request,
        wish_of: Callable[[ToolCall], Wish],
        failed: Callable[[Model, ModelFailed], object] = lambda model, failure: None,
        *,
        confirmed: bool = True,
    ) -> None:
        self.begun = asyncio.Event()
        self.messages: list[Message] = []
        self.wishes: list[tuple[ToolCall, Wish]] = []
        self.failure: ModelFailed | None = None
        self.tokens = self.estimated_tokens = 0
        self.dollars = 0.0
        self.is_priced = True  # every one of them: `dollars` is all of it
        self.ahead_ms = 0  # that it was asked for before it was confirmed
        self.has_words = False
        self.fillers = 0  # that `words` gave
        self._models = models
        self._request = request
        self._wish_of = wish_of
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._since = self._loop.time()
        self._first_word: float | None = None
        self._first_sentence: float | None = None
        self._whole_at: float | None = None
        self._sentences: asyncio.Queue[str | None] = asyncio.Queue()
        self._said: list[str] = []          # of the response under way
        self._calls: list[ToolCall] = []
        self._seen: set[tuple[str, str]] = set()  # tools and arguments: the same wish twice is one
        self._chars = 0        # said in the response under way
        self._confirmed = asyncio.Event()
        if confirmed:
            self._confirmed.set()
        self._deadline: asyncio.Timeout | None = None  # of the response under way
        self._task = asyncio.create_task(self._answer(), name="answer of a model")

    def thought(self, filler: str) -> Thought:
        """What is to be said (see `words`), once it has `begun`."""
        return Thought(
            self.words(filler), first_token_at=self._first_word, first_sentence_at=self._first_sentence
        )

    async def words(self, filler: str) -> AsyncGenerator[str]:
        """What is to be said, a sentence at a time, and the filler where the next one takes long."""
        played_at = self._loop.time()
        while True:
            try:
                async with asyncio.timeout_at(max(played_at, self._loop.time()) + QUIET_S):
                    sentence = await self._sentences.get()
            except TimeoutError:
                sentence = filler
                self.fillers += 1
            if sentence is None:
                return
            played_at = max(played_at, self._loop.time()) + MS_PER_CHAR * len(sentence) / 1000
            yield f"{sentence}\n"

    def confirm(self) -> None:
        """What was asked on a guess is what was said: the tools that were called count."""
        self.ahead_ms = round((self._loop.time() - self._since) * 1000)
        self._confirmed.set()

    async def whole(self) -> None:
        """Until it is."""
        await asyncio.wait({self._task})
        if not self._task.cancelled():
            self._task.result()

    async def cancel(self) -> None:
        """What the response under way has said stays in `messages`; what it wanted to do is forgotten."""
        if not self._task.done():
            await stop(self._task)
            self._calls.clear()
            self._keep()

    @property
    def times(self) -> Times:
        first_word, first_sentence = (
            None if at is None else round((at - self._since) * 1000) for at in (self._first_word, self._first_sentence)
        )
        return Times(
            model=self._models[0].name,
            first_word_ms=first_word,
            first_sentence_ms=first_sentence,
            total_ms=round(((self._whole_at or self._loop.time()) - self._since) * 1000),
        )

    # -- inside ------------------------------------------------------------------------------------------------

    async def _answer(self) -> None:
        try:
            for _ in tuple(self._models):
                if await self._comes_to_something():
                    return
                self._failed(self._models[0], NO_ANSWER)
                self._models.append(self._models.pop(0))
                self.messages.clear()
            self.failure = NO_ANSWER
        except ModelFailed as failure:
            self.failure = failure
        except Exception as error:  # nothing may end the call without a word to the callee
            logger.error("Model's answer not used", extra={"error": type(error).__name__})
            self.failure = ModelFailed(type(error).__name__)
        finally:
            self._whole_at = self._loop.time()
            self._sentences.put_nowait(None)
            self.begun.set()

    async def _comes_to_something(self) -> bool:
        """Whether there is something to say or to do after as many responses as one answer may take."""
        for _ in range(MAX_ROUNDS):
            await self._response()
            await self._confirmed.wait()
            said, called = bool(self._said), bool(self._calls)
            goes_on = self._take_calls()
            if not (said or called):
                self.messages.append(SAY_SOMETHING)
            elif self._asks or (self._is_something and not goes_on):
                break  # with what a tool answers, the model is asked anew
        return self._is_something

    @property
    def _is_something(self) -> bool:
        return self.has_words or any(not isinstance(wish, Note) for _, wish in self.wishes)

    @property
    def _asks(self) -> bool:
        return any(isinstance(wish, Ask) for _, wish in self.wishes)

    def _take_calls(self) -> bool:
        """Read the response's calls; true when the model must be asked again, because one isn't possible."""
        calls = self._keep()
        wrong = False
        for call in calls:
            try:
                wish = self._wish_of(call)
            except NotPossible as why:
                wrong = True
                self.messages.append(ToolAnswer(call, str(why)))
            else:
                self.wishes.append((call, wish))
                told = {Note: DONE, Ask: ASKED}.get(type(wish), LATER)
                self.messages.append(ToolAnswer(call, told))
        return wrong

    def _keep(self) -> tuple[ToolCall, ...]:
        """Of the response under way, in `messages`; its calls, but for those that this answer had before."""
        calls = []
        for call in self._calls[:MAX_CALLS]:
            if (call.tool, call.arguments) not in self._seen:
                self._seen.add((call.tool, call.arguments))
                calls.append(replace(call, id=f"call_{token_hex(6)}"))  # servers give none, or the same ones again
        if self._said or calls:
            self.messages.append(AgentSaid(" ".join(self._said), tuple(calls)))
        self._said, self._calls = [], []
        return tuple(calls)

    async def _response(self) -> None:
        """From the first model that gives one. Raises ModelFailed when none does."""
        left = [*self._models]
        again = len(left) == 1
        while True:
            model = left.pop(0)
            try:
                await self._from(model, is_last=not left)
            except Exception as error:
                failure = error if isinstance(error, ModelFailed) else ModelFailed(type(error).__name__)
                self._failed(model, failure)
                self._calls.clear()
                if again and failure.word != TIMEOUT:
                    left, again = [model], False
                if not left:
                    self._keep()
                    raise failure from error
                if self._said:
                    self._keep()
                    self.messages.append(BROKEN_OFF)
            else:
                self._models.remove(model)
                self._models.insert(0, model)
                return

    async def _from(self, model: Model, *, is_last: bool) -> None:
        request = self._request
        messages = (*request.messages, *self.messages)
        first_s = request.first_s if is_last else min(FIRST_S, request.first_s)
        asked = replace(request, messages=messages, first_s=first_s)
        cutter = Cutter()
        flush: asyncio.TimerHandle | None = None
        self._chars = 0
        try:
            async with asyncio.timeout(RESPONSE_S) as self._deadline, aclosing(self._words(model, asked)) as words:
                async for text in words:
                    if flush is not None:
                        flush.cancel()
                    for sentence in cutter.feed(text):
                        self._emit(sentence)
                    flush = None
                    if cutter.is_over:
                        self._flush(cutter)
                    elif cutter.is_whole:
                        flush = self._loop.call_later(SETTLE_S, self._flush, cutter)
                    if len(self._said) >= MAX_SENTENCES or self._chars >= MOST_CHARS_A_TOKEN * asked.max_tokens:
                        return
                if rest := cutter.rest():
                    self._emit(rest)
        except TimeoutError:
            raise ModelFailed(TIMEOUT) from None
        finally:
            if flush is not None:
                flush.cancel()

    def _flush(self, cutter: Cutter) -> None:
        self._emit(cutter.rest())

    def _emit(self, sentence: str) -> None:
        self._said.append(sentence)
        self._chars += len(sentence)
        self.has_words = True
        if self._first_sentence is None:
            self._first_sentence = self._loop.time()
        if self._deadline is not None and not self._deadline.expired():
            self._deadline.reschedule(self._loop.time() + RESPONSE_S)
        self._sentences.put_nowait(sentence)
        self.begun.set()

    async def _words(self, model: Model, request: Request) -> AsyncGenerator[str]:
        async with aclosing(measured(model, request, self._count)) as pieces:
            wait_s, unspoken = request.first_s, Unspoken()
            while (piece := await _next(pieces, wait_s)) is not None:
                wait_s = request.gap_s
                match piece:
                    case Words(text=text) if text:
                        if text := unspoken.feed(text):
                            if self._first_word is None:
                                self._first_word = self._loop.time()
                            yield text
                    case ToolCall():
                        self._calls.append(piece)
            if rest := unspoken.rest():
                yield rest

    def _count(self, usage: Usage) -> None:
        self.tokens += usage.tokens
        self.estimated_tokens += usage.tokens if usage.estimated else 0
        self.dollars += usage.dollars or 0.0
        self.is_priced = self.is_priced and usage.dollars is not None


async def _next(pieces: AsyncGenerator[Piece], wait_s: float) -> Piece | None:
    """None at the end. Raises ModelFailed."""
    try:
        async with asyncio.timeout(wait_s):
            return await anext(pieces, None)
    except TimeoutError:
        raise ModelFailed(TIMEOUT) from None


def last_words(messages: Sequence[Message]) -> str:
    """What the agent said last."""
    return next((one.text for one in reversed(messages) if isinstance(one, AgentSaid) and one.text), "")
