"""That somebody may listen to a call: the sentence that tells its callee, and whether it was said."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from outdial.conversation.verb_results import SpeechFailed


@dataclass(slots=True, kw_only=True)
class Notice:
    """Of one conversation in a language (a BCP 47 tag). `before_greeting`: to be said before the agent's first words;
    None: not, or no more. `said`: the callee has been told, or will be in a moment; `over`: it has been."""

    language: str
    before_greeting: str | None = None
    said: bool = False
    over: bool = False

    @property
    def is_due(self) -> bool:
        """Whether the callee is to be told when somebody begins to listen."""
        return not self.said and self.before_greeting is None

    def take(self) -> str | None:
        """What is to be said now, before the first words; from then on it counts as said."""
        text, self.before_greeting = self.before_greeting, None
        self.said |= text is not None
        return text

    def was_said(self, said: bool) -> None:
        """What counted as said was, or couldn't be: then whoever listens has it said."""
        self.said = self.over = said

    async def give(self, speak: Callable[[str], Awaitable[object]]) -> None:
        """Have it said before the first words, where it is to be. `speak` may raise SpeechFailed."""
        if (text := self.take()) is None:
            return
        try:
            await speak(text)
        except SpeechFailed:
            self.was_said(False)
        else:
            self.was_said(True)
