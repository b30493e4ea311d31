"""A model asked for its report on a call. Bounded: in time, in what it may write, in how often it is corrected."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

from outdial.agents.after.answer import MAX_REPORT, Report, read_report
from outdial.agents.after.definition import After
from outdial.agents.after.request import REPORT, Turn, request_for
from outdial.agents.llm.chat import (
    AgentSaid,
    Message,
    Model,
    ModelFailed,
    Remark,
    Request,
    ToolAnswer,
    ToolCall,
    Usage,
    Words,
)
from outdial.agents.llm.metering import measured
from outdial.agents.tools.asks import NotPossible

MODEL_S = 60.0    # for a model's report, corrections included
MAX_ROUNDS = 2    # a report whose form is wrong is asked for once more
NO_REPORT = "no_report"
TIMEOUT = "timeout"


@dataclass(slots=True, kw_only=True)
class Spent:
    """What the models have cost together. `dollars` is None once nobody knows the price of one of them."""

    tokens: int = 0
    dollars: float | None = 0.0

    def add(self, usage: Usage) -> None:
        self.tokens += usage.tokens
        known = self.dollars is not None and usage.dollars is not None
        self.dollars = (self.dollars or 0.0) + (usage.dollars or 0.0) if known else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    report: Report
    model: str


class NoReport(Exception):
    """No model gave one. `words`: of each model that was asked, why, as ModelFailed has it."""

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__(", ".join(words))
        self.words = tuple(words)


async def ask_for_report(after: After, models: Sequence[Model], turns: Sequence[Turn], spent: Spent) -> Reported:
    """From the first model that gives one. Raises NoReport; `spent` counts also what came to nothing."""
    words = []
    for model in models:
        try:
            async with asyncio.timeout(MODEL_S):
                return Reported(report=await _from(model, after, turns, spent), model=model.name)
        except TimeoutError:
            words.append(TIMEOUT)
        except ModelFailed as failure:
            words.append(failure.word)
    raise NoReport(words)


async def _from(model: Model, after: After, turns: Sequence[Turn], spent: Spent) -> Report:
    request = request_for(after, turns)
    messages: list[Message] = [*request.messages]
    for _ in range(MAX_ROUNDS):
        asked = _Asked(request, tuple(messages))
        await asked.by(model, spent)
        written = asked.report
        if written is None:
            messages += [AgentSaid(asked.text), Remark(f"Call the tool {REPORT}.")]
            continue
        try:
            return read_report(written if isinstance(written, str) else written.arguments, after, turns)
        except NotPossible as why:
            if isinstance(written, ToolCall):
                messages += [AgentSaid("", (written,)), ToolAnswer(written, str(why))]
            else:
                messages += [AgentSaid(written), Remark(f"{why} Call the tool {REPORT}.")]
    raise ModelFailed(NO_REPORT)


class _Asked:
    """One request, and what was written in answer to it."""

    def __init__(self, request: Request, messages: tuple[Message, ...]) -> None:
        self._request = Request(
            instructions=request.instructions,
            messages=messages,
            tools=request.tools,
            max_tokens=request.max_tokens,
            first_s=request.first_s,
            gap_s=request.gap_s,
        )
        self.text = ""
        self.report: ToolCall | str | None = None  # the first call of the tool, or what may be one in a text

    async def by(self, model: Model, spent: Spent) -> None:
        """Raises ModelFailed."""
        async with aclosing(measured(model, self._request, spent.add)) as pieces:
            wait_s = self._request.first_s
            while True:
                try:
                    async with asyncio.timeout(wait_s):
                        piece = await anext(pieces, None)
                except TimeoutError:
                    raise ModelFailed(TIMEOUT) from None
                wait_s = self._request.gap_s
                match piece:
                    case None:
                        break
                    case Words(text=text):
                        self.text += text
                        if len(self.text) > MAX_REPORT:
                            raise ModelFailed(NO_REPORT)
                    case ToolCall(tool=tool) if tool == REPORT and self.report is None:
                        self.report = piece
        if self.report is None and "{" in self.text:
            self.report = self.text
