"""What a callee hears of the agent, in words, and whether the agent listens to it now."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from outdial.conversation.live_call import LiveCall
from outdial.conversation.media_line import MediaLine
from outdial.conversation.transcript import Speaker, Turn, heard_part
from outdial.conversation.verb_results import Heard, Said
from outdial.media.sounds import Sound
from outdial.speech.reading.reader import Reading
from outdial.testing.audio_engines import RememberedTextToSpeech


class AgentHeard:
    """Of one call, which may come back from a transfer: its journal, too. `since_ms`: when its audio began (again), on
    the phone's clock."""

    def __init__(self, reading: Reading, voice: RememberedTextToSpeech) -> None:
        self.media_line: MediaLine
        self.turns: dict[int, Turn] = {}
        self.since_ms = 0
        self.listens = 0         # so often until now, …
        self.listening = False   # … and now
        self.wants_keys = False
        self.interruptible = True
        self._reading = reading
        self._voice = voice
        self._from = 0, 0        # what was told before counts no more: the number of a turn, and characters of it

    # -- Journal

    def turn(self, turn: Turn) -> None:
        since_ms = self.since_ms
        end_ms = None if turn.end_ms is None else turn.end_ms + since_ms
        seq = turn.seq + since_ms
        self.turns[seq] = replace(turn, seq=seq, start_ms=turn.start_ms + since_ms, end_ms=end_ms)
        if turn.speaker == Speaker.AGENT and end_ms is not None:
            self._voice.said_ms = 0

    def event(self, type_: str, data: dict[str, Any]) -> None:
        pass

    # -- for the callee

    def told(self) -> str:
        """What the agent has said since `forget`, as far as it was heard."""
        first, chars = self._from
        said = [(seq, self._heard(turn)) for seq, turn in self._said() if seq >= first]
        return " ".join(filter(None, (text[chars:].strip() if seq == first else text for seq, text in said)))

    def has_spoken_since(self, ms: int) -> bool:
        """Whether it has said something that began then or later, or has said what it was saying to its end."""
        said = [turn for _, turn in self._said() if turn.end_ms is not None and turn.end_ms > ms]
        return any(turn.start_ms >= ms or not turn.interrupted for turn in said)

    def forget(self) -> None:
        self._from = max(((seq, len(self._heard(turn))) for seq, turn in self._said()), default=(0, 0))

    def _said(self) -> list[tuple[int, Turn]]:
        return [(seq, turn) for seq, turn in sorted(self.turns.items()) if turn.speaker == Speaker.AGENT]

    def _heard(self, turn: Turn) -> str:
        text = turn.text
        if turn.end_ms is None:
            text = heard_part(text, self.media_line.heard_ms(), self._voice.said_ms, self._reading.spoken)
        return " ".join(text.split())

    # -- for the call

    def begins(self, *, interruptible: bool) -> None:
        self.interruptible = interruptible
        self._voice.said_ms = 0


class OverheardCall:
    """A live call on whose verbs a callee looks: people hear whether somebody waits for them."""

    def __init__(self, call: LiveCall, agent: AgentHeard) -> None:
        self._call = call
        self._agent = agent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)

    async def say(
        self, text: str | AsyncIterator[str], *, interruptible: bool = True, asks: bool | None = None
    ) -> Said:
        self._agent.begins(interruptible=interruptible)
        return await self._call.say(text, interruptible=interruptible, asks=asks)

    async def play(self, sound: str | Sound, *, loop: int = 1, interruptible: bool = True) -> Said:
        self._agent.begins(interruptible=interruptible)
        return await self._call.play(sound, loop=loop, interruptible=interruptible)

    async def listen(self, *, max_digits: int = 0, **how: Any) -> Heard:
        agent = self._agent
        agent.listens += 1
        agent.listening, agent.wants_keys, agent.interruptible = True, max_digits > 0, True
        try:
            return await self._call.listen(max_digits=max_digits, **how)
        finally:
            agent.listening = False
