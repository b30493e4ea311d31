"""A second opinion on answers to closed questions: where the words that were recognised answer nothing, a recogniser
that listens for nothing but the answers is asked whether they were one of them.

It mostly takes no longer than the pause after which such words are given up, so that no reply is later for it. What is
late is a busy machine's: its own work is limited where it is done (speech/closed_answers.py).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from outdial.conversation.closed_verdict import Verdict, verdict
from outdial.conversation.turn_words import Asked
from outdial.speech.base import CallRecognition, ClosedRecognition, ClosedSpeechToText, Closest, Recognition, TurnTold

logger = logging.getLogger(__name__)

IN_TIME_S = 0.8  # a misheard answer is asked for again, which takes a callee longer than that

_told: set[str] = set()  # languages without one, of this process


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    text: str
    doubtful: bool
    took_ms: int


class SecondOpinion:
    """The recogniser of one call, with another one behind it. `asked` tells what the callee is to answer just now."""

    def __init__(
        self,
        first: CallRecognition,
        closed: ClosedSpeechToText | None,
        asked: Callable[[], Asked],
        now_ms: Callable[[], int],
    ) -> None:
        self._last: Opinion | None = None
        self._first = first
        self._closed = closed
        self._asked = asked
        self._now_ms = now_ms

    def recognition(self, since_ms: int) -> Recognition:
        """Of an utterance; see base.CallRecognition."""
        first = self._first.recognition(since_ms)
        return first if self._closed is None else _BothRecognitions(first, self._closed.recognition(), self)

    def told(self, quiet_since_ms: int) -> TurnTold | None:
        return self._first.told(quiet_since_ms)

    def doubts(self, text: str) -> bool:
        """Whether what was said last, and ends like this, may as well have been another answer."""
        return self._last is not None and self._last.doubtful and text.endswith(self._last.text)

    def took_ms(self, text: str) -> int | None:
        """How long it took; None where it wasn't asked about this."""
        return self._last.took_ms if self._last is not None and text.endswith(self._last.text) else None

    async def on(self, text: str, recognition: ClosedRecognition) -> str:
        """`text`, or the answer that it was misheard for."""
        self._last = None
        asked = self._asked()
        if asked.closed is None or self._closed is None or not asked.may_be_misheard(text):
            return text
        if asked.closed.language != self._closed.language:
            _tell_missing(asked.closed.language)
            return text
        began_ms = self._now_ms()
        found = await _in_time(recognition.closest(asked.closed.answers, text))
        decided = verdict(found, yes_or_no=asked.closed.yes_or_no)
        if found is not None and decided is not Verdict.NOTHING:
            text = asked.closed.answers[found.answer][0]
        self._last = Opinion(text=text, doubtful=decided is Verdict.DOUBT, took_ms=self._now_ms() - began_ms)
        return text


async def _in_time(closest: Awaitable[Closest | None]) -> Closest | None:
    try:
        async with asyncio.timeout(IN_TIME_S):
            return await closest
    except TimeoutError:
        return None
    except Exception:
        logger.exception("Second opinion failed")
        return None


class _BothRecognitions:
    """What is guessed while the callee speaks is the first one's guess."""

    def __init__(self, first: Recognition, closed: ClosedRecognition, opinion: SecondOpinion) -> None:
        self.waited_ms = 0
        self._first = first
        self._closed = closed
        self._opinion = opinion

    async def partial(self) -> str | None:
        return await self._first.partial()

    def feed(self, pcm: bytes) -> None:
        self._first.feed(pcm)
        self._closed.feed(pcm)

    async def text(self) -> str:
        text = await self._first.text()
        self.waited_ms = self._first.waited_ms
        return await self._opinion.on(text, self._closed)


def _tell_missing(language: str) -> None:
    if language not in _told:
        _told.add(language)
        logger.warning("Second opinion unavailable in a language", extra={"language": language})
