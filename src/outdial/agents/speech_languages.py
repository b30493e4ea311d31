"""Which languages can be spoken and listened to, by whom; and what an agent's language lacks. Pure."""

from collections.abc import Iterator

from typing_extensions import TypedDict

from outdial.agents.script.model import ScriptWarning
from outdial.conversation.understanding.language import known_languages
from outdial.speech.choice import RecognitionChoice, SpeechChoice, VoiceChoice
from outdial.speech.engines import OFFLINE_LANGUAGE
from outdial.speech.pico.voice import speaks
from outdial.speech.reading.reader import has_rules
from outdial.speech.vendors import VENDORS


class LanguageView(TypedDict):
    """A language whose answers Outdial understands, such as "de". `offline`: it is also spoken and listened to without
    a vendor, `offline_voice`: spoken, at least; `reads`: numbers, dates and abbreviations are read by rules, else the
    voice decides. `voices` and `recognition`: the vendors that agents can have for it."""

    language: str
    offline: bool
    offline_voice: bool
    reads: bool
    voices: list[str]
    recognition: list[str]


def languages() -> list[LanguageView]:
    return [
        LanguageView(
            language=tag,
            offline=tag == OFFLINE_LANGUAGE,
            offline_voice=tag == OFFLINE_LANGUAGE or speaks(tag),
            reads=has_rules(tag),
            voices=[one.name for one in VENDORS.values() if one.synthesiser is not None],
            recognition=[one.name for one in VENDORS.values() if _listens(one.name, tag)],
        )
        for tag in known_languages()
    ]


def misplaced(choice: SpeechChoice, language: str) -> Iterator[ScriptWarning]:
    """What is chosen of vendors and has another language than the agent's."""
    for one in (choice.voice, choice.recognition):
        if one is not None and (other := _only(one)) and other != _base(language):
            what = f"voice {one.voice}" if isinstance(one, VoiceChoice) else f"model {one.model}"
            reason = f"the {what[:80]} is for {other}, and the agent's language is {language}"
            yield ScriptWarning(reason, one.line)


def lacking(choice: SpeechChoice, language: str) -> list[str]:
    """What nobody does in the agent's language: of "voice" and "recognition"."""
    parts = {"voice": choice.voice, "recognition": choice.recognition}
    spoken = {
        part: OFFLINE_LANGUAGE if one is None else _only(one) or _base(language) for part, one in parts.items()
    }
    lacks = [part for part, by in spoken.items() if by != _base(language)]
    if choice.voice is None and speaks(language):
        lacks = [part for part in lacks if part != "voice"]
    return lacks


def _listens(vendor: str, language: str) -> bool:
    recogniser = VENDORS[vendor].recogniser
    if recogniser is None:
        return False
    return any(recogniser.only.get(model, language) == language for model in recogniser.models)


def _only(one: VoiceChoice | RecognitionChoice) -> str:
    """The language that what is chosen has alone; "" where it has several."""
    vendor = VENDORS[one.vendor]
    if isinstance(one, VoiceChoice):
        return "" if vendor.synthesiser is None else vendor.synthesiser.only(one.voice)
    return "" if vendor.recogniser is None else vendor.recogniser.only.get(one.model, "")


def _base(language: str) -> str:
    return language.partition("-")[0].lower()
