"""Other languages than an agent's, on calls in memory."""

from outdial.conversation.languages import no_recogniser, no_voice
from outdial.speech.base import base_of
from outdial.testing.engines import Recogniser, Voice


class LanguagesInMemory:
    """See conversation.languages.LanguageEngines. Those that it `speaks` have a voice each in `voices`, once they were
    spoken; those that it `understands` are recognised as the agent's own, but for those whose recogniser `fails`, and
    `heard` has them as they were wanted."""

    def __init__(self, recogniser: Recogniser) -> None:
        self.speaks: set[str] = set()
        self.understands: set[str] = set()
        self.fails: set[str] = set()
        self.voices: dict[str, Voice] = {}
        self.heard: list[str] = []
        self._recogniser = recogniser

    def key(self, language: str) -> str:
        return base_of(language)

    def voice(self, language: str) -> Voice:
        if language not in self.speaks:
            raise no_voice(language)
        return self.voices.setdefault(language, Voice(name=language))

    def recogniser(self, language: str) -> Recogniser:
        if language not in self.understands:
            raise no_recogniser(language)
        self.heard.append(language)
        return Recogniser(fails=True) if language in self.fails else self._recogniser


class AnyLanguage:
    """Of a call of texts alone, for which any will do. See conversation.languages.Languages."""

    def check_spoken(self, language: str) -> None:
        pass

    def speak_in(self, language: str) -> None:
        pass

    def hear_in(self, language: str) -> None:
        pass
