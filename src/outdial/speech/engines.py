"""The engines calls speak and listen with."""

from dataclasses import dataclass
from pathlib import Path

from outdial.speech.base import SpeechToText, TextToSpeech
from outdial.speech.offline import installed_engines
from outdial.speech.prompts import PromptCache


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSpeech:
    """The engines an agent brings itself, a voice of its own say; None: those of the process. Its language is that of
    its reading."""

    to_text: SpeechToText | None = None
    from_text: TextToSpeech | None = None


NONE_OWN = OwnSpeech()


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    to_text: SpeechToText
    from_text: TextToSpeech

    @classmethod
    async def offline(cls, prompts: Path) -> "Speech":
        """The engines in the package, those that are installed, with spoken prompts kept in a folder."""
        to_text, from_text = await installed_engines()
        return cls(to_text=to_text, from_text=PromptCache(prompts, from_text))
