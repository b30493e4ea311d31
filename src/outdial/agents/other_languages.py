"""The speech of an agent in other languages than its own: engines that are made when a call first wants them."""

import re
from collections.abc import Callable, Mapping

from outdial.agents.speech_languages import choice_in
from outdial.speech.base import base_of
from outdial.speech.choice import SpeechChoice
from outdial.speech.engines import NONE_OWN, OwnSpeech
from outdial.speech.fallback import VendorVoice

MOST = 60  # of an agent: who asks for more gets what the server has itself
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")  # what vendors are told; none is "multi"


class AgentLanguages:
    """`language`, `choice` and `own` are the agent's, `others` what its author chose for other languages, by their
    tags. `open_` makes the engines of a choice; they connect to nobody yet. `aclose` it in the end."""

    def __init__(
        self,
        language: str,
        choice: SpeechChoice,
        own: OwnSpeech,
        others: Mapping[str, SpeechChoice],
        open_: Callable[[SpeechChoice, str], OwnSpeech],
    ) -> None:
        self._language = language
        self._choice = choice
        self._own = own
        self._others = {tag.lower(): chosen for tag, chosen in others.items()}
        self._open = open_
        self._opened: dict[str, OwnSpeech] = {}

    def is_own(self, language: str) -> bool:
        """Whether the agent's own speech is meant: also in another country, where nothing else was chosen for that."""
        if language.lower() in self._others:
            return False
        return base_of(language) == base_of(self._language)

    def key(self, language: str) -> str:
        """The same for languages that have the same speech."""
        if self.is_own(language):
            return self._language.lower()
        return language.lower() if language.lower() in self._others else base_of(language)

    def speech(self, language: str) -> OwnSpeech:
        """A part is None where no vendor of the author's choice has that language."""
        if self.is_own(language):
            return self._own
        key = self.key(language)
        if key not in self._opened:
            if len(self._opened) >= MOST or not LANGUAGE.fullmatch(language):
                return NONE_OWN
            self._opened[key] = self._open(choice_in(language, self._choice, self._others), language)
        return self._opened[key]

    async def aclose(self) -> None:
        for speech in self._opened.values():
            if isinstance(speech.from_text, VendorVoice):
                await speech.from_text.aclose()
