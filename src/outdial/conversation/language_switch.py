"""The language of a call changed while it lasts: voice, recogniser, and the words by which turns are taken."""

from dataclasses import replace

from outdial.conversation.call_facts import CallEngines, TurnTaking
from outdial.conversation.courtesy import Courtesy
from outdial.conversation.endpointing import WordEndpointing
from outdial.conversation.languages import LanguageMissing
from outdial.conversation.listening import Listening
from outdial.conversation.saying import Saying
from outdial.conversation.understanding.turn_phrases import turn_phrases
from outdial.speech.base import TextToSpeech

MOST_CHANGES = 50  # of the recogniser, in a dialogue: each may be a vendor's session


class LanguageSwitch:
    """See languages.Languages. Of one dialogue, which begins in its agent's language."""

    def __init__(
        self,
        turn_taking: TurnTaking,
        engines: CallEngines,
        saying: Saying,
        listening: Listening,
        courtesy: Courtesy,
    ) -> None:
        self._turn_taking = turn_taking
        self._engines = engines
        self._others = engines.languages
        self._saying = saying
        self._listening = listening
        self._courtesy = courtesy
        self._own = self._spoken = self._heard = saying.reading.language
        self._changes = 0

    def check_spoken(self, language: str) -> None:
        self._voice(language)

    def speak_in(self, language: str) -> None:
        if language == self._spoken:
            return
        self._saying.text_to_speech = self._voice(language)
        self._saying.reading = replace(self._saying.reading, language=language)
        self._spoken = language
        self._take_words()

    def hear_in(self, language: str) -> None:
        if language == self._heard:
            return
        if not self._is_same(language, self._heard):
            if self._changes >= MOST_CHANGES:
                raise LanguageMissing(f"Language {language} is not available: it was changed too often in this call")
            self._engines.hear_with(self._others.recogniser(language))
            self._changes += 1
        self._heard = language
        self._take_words()

    def _voice(self, language: str) -> TextToSpeech:
        if self._is_same(language, self._own):
            return self._engines.text_to_speech
        return self._others.voice(language)

    def _is_same(self, language: str, other: str) -> bool:
        return self._others.key(language) == self._others.key(other)

    def _take_words(self) -> None:
        """Whose turn it is depends on what is heard; what is said by ourselves is in the language that we speak."""
        if self._spoken == self._heard == self._own:
            words, endpointing = self._turn_taking.words, self._turn_taking.endpointing
        else:
            phrases = turn_phrases(self._heard, self._spoken)
            words, endpointing = phrases, WordEndpointing(phrases)
        self._saying.turn_words = self._courtesy.words = words
        self._listening.hearing.endpointing = endpointing
