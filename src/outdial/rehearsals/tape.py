"""What a model answered in a talk so far. A talk is held anew with each line of the callee: what is on the tape is said
again, so that a model is asked once for each answer, and only the new ones cost anything."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass

from outdial.agents.llm.answering import TIMEOUT
from outdial.agents.llm.chat import Model, ModelFailed, Piece, Request, ToolCall, Usage, Words

# Of one answer; what is more is said, and not kept.
MAX_SAID = 20_000  # characters
MAX_TOOL = 100
MAX_ARGUMENTS = 20_000
MAX_CALLS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TapedAnswer:
    """`calls`: tools and their arguments, JSON as the model wrote it. `fails`: the word it broke off with. `at_ms`:
    when it was asked, on the clock of the call; the other times are measured."""

    model: str = ""
    says: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    fails: str | None = None
    at_ms: int = 0
    first_word_ms: int | None = None
    total_ms: int = 0
    tokens: int = 0
    dollars: float | None = None


class Tape:
    """`answers`: those there are, in their order; new ones are added. `now_ms`: the call's clock."""

    def __init__(self, answers: Iterable[TapedAnswer] = (), now_ms: Callable[[], int] = lambda: 0) -> None:
        self.answers = [*answers]
        self.now_ms = now_ms
        self._said = 0

    def models(self, models: Sequence[Model]) -> list[Model]:
        return [_Taped(model, self) for model in models]

    def next(self) -> TapedAnswer | None:
        """The next one to be said again; None when a model is to be asked."""
        if self._said < len(self.answers):
            self._said += 1
            return self.answers[self._said - 1]
        return None

    def begin(self) -> int:
        """The place of an answer that is in the making: the order is that of asking."""
        self.answers.append(TapedAnswer())
        self._said = len(self.answers)
        return self._said - 1

    def end(self, place: int, answer: TapedAnswer) -> None:
        self.answers[place] = answer


class _Taped:
    def __init__(self, model: Model, tape: Tape) -> None:
        self.name = model.name
        self._model = model
        self._tape = tape

    async def ask(self, request: Request) -> AsyncGenerator[Piece]:
        answer = self._tape.next()
        async with aclosing(self._anew(request) if answer is None else _again(answer)) as pieces:
            async for piece in pieces:
                yield piece

    async def warm_up(self) -> None:
        if not self._tape.answers:
            await self._model.warm_up()

    async def _anew(self, request: Request) -> AsyncGenerator[Piece]:
        now, at_ms, place = asyncio.get_running_loop().time, self._tape.now_ms(), self._tape.begin()
        began, first_word, fails = now(), None, None
        said: list[str] = []
        calls: list[tuple[str, str]] = []
        usage = Usage()
        try:
            async with aclosing(self._model.ask(request)) as pieces:
                async for piece in pieces:
                    match piece:
                        case Words(text=text):
                            first_word = now() if first_word is None and text else first_word
                            said.append(text)
                        case ToolCall(tool=tool, arguments=arguments):
                            calls.append((tool, arguments))
                        case Usage():
                            usage = piece
                    yield piece
        except ModelFailed as error:
            fails = error.word
            raise
        except asyncio.CancelledError:  # nobody waits that long
            fails = TIMEOUT
            raise
        finally:
            self._tape.end(
                place,
                TapedAnswer(
                    model=self.name,
                    says=_storable("".join(said))[:MAX_SAID],
                    calls=tuple(
                        (tool[:MAX_TOOL], _storable(arguments)[:MAX_ARGUMENTS]) for tool, arguments in calls[:MAX_CALLS]
                    ),
                    fails=fails,
                    at_ms=at_ms,
                    first_word_ms=None if first_word is None else round((first_word - began) * 1000),
                    total_ms=round((now() - began) * 1000),
                    tokens=usage.tokens,
                    dollars=usage.dollars,
                ),
            )


async def _again(answer: TapedAnswer) -> AsyncGenerator[Piece]:
    if answer.says:
        yield Words(answer.says)
    for tool, arguments in answer.calls:
        yield ToolCall("", tool, arguments)
    if answer.fails is not None:
        raise ModelFailed(answer.fails)
    yield Usage(tokens=answer.tokens, dollars=answer.dollars)


def _storable(text: str) -> str:
    """Without what JSON of ours doesn't take."""
    return "".join(c for c in text if c != "\0" and not "\ud800" <= c <= "\udfff")


class Elsewhere:
    """A model whose connections belong to another event loop, `its`, on which it is asked."""

    def __init__(self, model: Model, its: asyncio.AbstractEventLoop) -> None:
        self.name = model.name
        self._model = model
        self._its = its

    async def ask(self, request: Request) -> AsyncGenerator[Piece]:
        here = asyncio.get_running_loop()
        pieces: asyncio.Queue[Piece | ModelFailed | None] = asyncio.Queue()

        def tell(piece: Piece | ModelFailed | None) -> None:
            with suppress(RuntimeError):  # nobody listens any more
                here.call_soon_threadsafe(pieces.put_nowait, piece)

        async def ask() -> None:
            try:
                async with aclosing(self._model.ask(request)) as found:
                    async for piece in found:
                        tell(piece)
                tell(None)
            except ModelFailed as error:
                tell(error)
            except Exception as error:
                tell(ModelFailed(type(error).__name__))

        asked = asyncio.run_coroutine_threadsafe(ask(), self._its)
        try:
            while (piece := await pieces.get()) is not None:
                if isinstance(piece, ModelFailed):
                    raise piece
                yield piece
        finally:
            asked.cancel()

    async def warm_up(self) -> None:
        """Nothing: it is asked at once."""
