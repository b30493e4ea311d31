"""In which languages a call may be held: its agent's, and others that the agent is told of while it lasts.

Languages are BCP 47 tags.
"""

from typing import Protocol

from outdial.speech.base import SpeechToText, StreamingSpeechToText, TextToSpeech, base_of


class LanguageMissing(Exception):
    """Nobody speaks, or nobody understands, a language on this call. The message is a sentence that says which."""


class Languages(Protocol):
    """Of one call, as its agent has them."""

    def check_spoken(self, language: str) -> None:
        """Whether anybody speaks it. Raises LanguageMissing."""
        ...

    def speak_in(self, language: str) -> None:
        """With the next `say` on. Raises LanguageMissing, and all is as it was."""
        ...

    def hear_in(self, language: str) -> None:
        """From the callee's next utterance on. Raises LanguageMissing, and all is as it was."""
        ...


class LanguageEngines(Protocol):
    """The engines of one call for its agent's language and for others."""

    def key(self, language: str) -> str:
        """The same for languages that have the same engines."""
        ...

    def voice(self, language: str) -> TextToSpeech:
        """The same one for the same language. Raises LanguageMissing."""
        ...

    def recogniser(self, language: str) -> SpeechToText | StreamingSpeechToText:
        """One for what the callee says from now on. Raises LanguageMissing."""
        ...


class NoOthers:
    """Where a call has no engines but those it began with. See LanguageEngines."""

    def key(self, language: str) -> str:
        return base_of(language)

    def voice(self, language: str) -> TextToSpeech:
        raise no_voice(language)

    def recogniser(self, language: str) -> SpeechToText | StreamingSpeechToText:
        raise no_recogniser(language)


NO_OTHERS = NoOthers()


def no_voice(language: str) -> LanguageMissing:
    return LanguageMissing(f"Language {language} is not available: the agent has no voice for it")


def no_recogniser(language: str) -> LanguageMissing:
    return LanguageMissing(f"Language {language} is not available: the agent has no recognition for it")
