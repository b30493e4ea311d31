"""The engines calls speak and listen with."""

from dataclasses import dataclass
from pathlib import Path

from outdial.speech import closed_answers
from outdial.speech.base import ClosedSpeechToText, SpeechToText, StreamingSpeechToText, TextToSpeech
from outdial.speech.offline import installed_engines
from outdial.speech.prompts import PromptCache

OFFLINE_LANGUAGE = "en"  # what the engines of the package speak and understand


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSpeech:
    """The engines an agent brings itself, a voice of its own say; None: those of the process. Its language is that of
    its reading."""

    to_text: SpeechToText | StreamingSpeechToText | None = None
    from_text: TextToSpeech | None = None


NONE_OWN = OwnSpeech()


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    to_text: SpeechToText
    from_text: TextToSpeech
    closed: ClosedSpeechToText | None = None  # a second opinion where answers are known; None: there is none

    @classmethod
    async def offline(cls, prompts: Path) -> "Speech":
        """The engines in the package, those that are installed, loaded, with spoken prompts kept in a folder."""
        to_text, from_text = await installed_engines()
        closed = await closed_answers.loaded()
        return cls(to_text=to_text, from_text=PromptCache(prompts, from_text), closed=closed)
