"""What a realtime model may cost, and what it has: of one call, by its author's limits and the workspace's."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from outdial.agents.llm.chat import Usage
from outdial.agents.llm.metering import SPEND_LIMIT, Meter
from outdial.agents.realtime.costs import AUDIO_MS_A_TOKEN, Tokens, cost_of, cost_of_audio, tokens_of
from outdial.agents.realtime.definition import RealtimeAgent
from outdial.conversation.live_call import LiveCall


class Spending:
    """`meter`: the workspace's, None where nobody counts."""

    def __init__(self, agent: RealtimeAgent, call: LiveCall, meter: Meter | None, seconds: float) -> None:
        """`seconds`: of the event loop's clock, when the call began."""
        self._agent = agent
        self._call = call
        self._meter = meter
        self._began = self._seconds = seconds
        self._turns = self._tokens = 0
        self._dollars = 0.0
        self._first_audio_ms: int | None = None  # of the answer that is coming
        self._said_ms = 0
        self._last = Tokens()  # of an answer

    def at(self, seconds: float) -> None:
        """What time it is."""
        self._seconds = seconds

    def limit(self) -> str | None:
        """The one that is reached."""
        limits = self._agent.limits
        reached = {
            "turns": self._turns >= limits.turns,
            "seconds": limits.seconds is not None and self._seconds - self._began >= limits.seconds,
            "tokens": limits.tokens is not None and self._tokens >= limits.tokens,
            "dollars": limits.dollars is not None and self._dollars >= limits.dollars,
            SPEND_LIMIT: self._meter is not None and self._meter.is_passed,
        }
        return next((name for name, is_reached in reached.items() if is_reached), None)

    def first_audio(self, after_s: float) -> None:
        self._first_audio_ms = round(after_s * 1000)

    def came(self, ms: int) -> None:
        """Audio of the answer that is coming."""
        self._said_ms += ms

    def answered(self, usage: Mapping[str, Any], *, calls: bool) -> bool:
        """An answer is over, by whomever; whether any of it was spoken. `calls`: of tools were in it."""
        said_ms, self._said_ms = self._said_ms, 0
        first_ms, self._first_audio_ms = self._first_audio_ms, None
        self._turns += said_ms > 0 or calls
        tokens = tokens_of(usage)
        if tokens.total:
            self._last = tokens
        if tokens.total or said_ms:
            cost = cost_of(self._agent.model, self._agent.base_url, tokens, said_ms=said_ms)
            self._count(self._agent.model, cost, tokens, first_ms)
        return said_ms > 0

    def broken_off(self) -> None:
        """The answer that was coming will never be told the cost of: it has read what the last one read, at least."""
        said_ms, self._said_ms = self._said_ms, 0
        first_ms, self._first_audio_ms = self._first_audio_ms, None
        self._turns += said_ms > 0
        received = math.ceil(said_ms / AUDIO_MS_A_TOKEN)
        tokens = replace(self._last, received=received, audio_received=received)
        if tokens.total:
            cost = replace(cost_of(self._agent.model, self._agent.base_url, tokens), estimated=True)
            self._count(self._agent.model, cost, tokens, first_ms)

    def transcribed(self, usage: Mapping[str, Any]) -> None:
        """The callee's words were written down."""
        model, tokens = self._agent.transcription, tokens_of(usage)
        if tokens.total:
            self._count(model, cost_of(model, self._agent.base_url, tokens), tokens, None)
        elif (cost := cost_of_audio(model, self._agent.base_url, usage)) is not None:
            self._count(model, cost, tokens, None)

    def _count(self, model: str, cost: Usage, tokens: Tokens, first_ms: int | None) -> None:
        self._tokens += cost.tokens
        self._dollars += cost.dollars or 0.0
        if self._meter is not None:
            self._meter.add(cost)
        self._call.tell(
            "model",
            {
                "model": model,
                "first_word_ms": first_ms,
                "first_sentence_ms": None,
                "total_ms": None,
                "ahead_ms": 0,
                "tokens": cost.tokens,
                "dollars": cost.dollars,
                "estimated_tokens": cost.tokens if cost.estimated else 0,
                **tokens.told(),
            },
        )
