"""A brain that answers what is written down, for calls in memory: as a relay agent's server, or a Voiceflow project.

    brain = WrittenBrain([Answer(says="Which day?"), Answer(says="Goodbye.", hands_over={"outcome": "moved"})])
    tools = WrittenTools({}, brain)
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from outdial.agents.brains.reaching import MOST_BYTES, BrainAway, Json, Project

NOTHING_WRITTEN = "nothing_written"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """To what the callee said, or to the beginning. `says`: in words; `presses` keys; `ends` the call, and `hands_over`
    data; `connects` the callee to a number, which a Voiceflow project does; `fails` with this word."""

    says: str = ""
    presses: str = ""
    ends: bool = False
    hands_over: Any = None
    connects: str = ""
    fails: str = ""


class WrittenBrain:
    """`answers`: one after the other. `told`: what it was told so far, in the words of its kind. `unwritten`: it was
    asked for more."""

    def __init__(self, answers: Iterable[Answer]) -> None:
        self.told: list[Json] = []
        self.unwritten = False
        self._answers = deque(answers)

    async def connect(
        self, url: str, headers: Mapping[str, str], *, most_bytes: int = MOST_BYTES
    ) -> "WrittenServer":
        return WrittenServer(self)

    def door(self, project: Project) -> "WrittenDoor":
        return WrittenDoor(self)

    def next(self) -> Answer:
        """Raises BrainAway."""
        if not self._answers:
            self.unwritten = True
            raise BrainAway(NOTHING_WRITTEN, may_again=False)
        answer = self._answers.popleft()
        if answer.fails:
            raise BrainAway(answer.fails, may_again=False)
        return answer


class WrittenServer:
    """A connection of a relay agent's. Each prompt is answered, and each key."""

    def __init__(self, brain: WrittenBrain) -> None:
        self._brain = brain
        self._sent: asyncio.Queue[Json | BrainAway] = asyncio.Queue()

    async def receive(self) -> str:
        message = await self._sent.get()
        if isinstance(message, BrainAway):
            raise message
        return json.dumps(message)

    async def send(self, text: str) -> None:
        message = json.loads(text)
        self._brain.told.append(message)
        if message["type"] not in ("prompt", "dtmf") or message.get("last") is False:
            return
        try:
            for one in _messages(self._brain.next()):
                self._sent.put_nowait(one)
        except BrainAway as away:
            self._sent.put_nowait(away)

    async def close(self, code: int = 1000, reason: str = "") -> None: ...


def _messages(answer: Answer) -> list[Json]:
    found: list[Json] = [{"type": "text", "token": answer.says, "last": True}]
    if answer.presses:
        found.append({"type": "sendDigits", "digits": answer.presses})
    if answer.ends or answer.hands_over is not None:
        handed = answer.hands_over
        data = {} if handed is None else {"handoffData": handed if isinstance(handed, str) else json.dumps(handed)}
        found.append({"type": "end", **data})
    return found


class WrittenDoor:
    def __init__(self, brain: WrittenBrain) -> None:
        self._brain = brain
        self._variables: dict[str, Any] = {}

    async def turn(self, action: Json, variables: Json) -> AsyncGenerator[Any]:
        self._brain.told.append(action)
        self._variables |= variables
        answer = self._brain.next()
        if answer.says:
            yield {"type": "text", "payload": {"message": answer.says}}
        if isinstance(answer.hands_over, Mapping):
            self._variables |= answer.hands_over
        if answer.connects:
            yield {"type": "call-forward", "payload": {"address": answer.connects, "addressType": "phone"}}
        if answer.ends:
            yield {"type": "end"}

    async def forget(self) -> None: ...

    async def variables(self) -> Json:
        return self._variables
