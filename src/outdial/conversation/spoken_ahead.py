"""Words whose time hasn't come, made audio already: while it isn't known who answered, or whoever did says hello. So
our first words begin at once when it is our turn."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from outdial.conversation.playback import Playback
from outdial.conversation.stopping import stop
from outdial.conversation.synthesis import Synthesis


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """`task` feeds the playback; whoever takes it ends it."""

    synthesis: Synthesis
    playback: Playback
    task: asyncio.Task[None]


class SpokenAhead:
    """Of one dialogue: texts, each until it is taken to be said."""

    def __init__(self, synthesis_of: Callable[[str, Playback], Synthesis]) -> None:
        self._synthesis_of = synthesis_of
        self._prepared: dict[str, Prepared] = {}

    def prepare(self, text: str) -> None:
        if text and text not in self._prepared:
            playback = Playback()
            synthesis = self._synthesis_of(text, playback)
            task = asyncio.create_task(synthesis.run(), name="words ahead of their time")
            self._prepared[text] = Prepared(synthesis=synthesis, playback=playback, task=task)

    def take(self, text: object) -> Prepared | None:
        """What was prepared of it, once."""
        return self._prepared.pop(text, None) if isinstance(text, str) else None

    async def let_go(self) -> None:
        """Of what nobody says any more. That it failed is no failure then."""
        while self._prepared:
            _, prepared = self._prepared.popitem()
            await stop(prepared.task)
