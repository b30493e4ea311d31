"""Which languages can be spoken and listened to, by whom; and what an agent's language lacks. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from typing_extensions import TypedDict

from outdial.agents.script.model import ScriptWarning
from outdial.conversation.understanding.language import known_languages
from outdial.speech.base import base_of
from outdial.speech.choice import NO_CHOICE, RecognitionChoice, SpeechChoice, VoiceChoice
from outdial.speech.engines import OFFLINE_LANGUAGE
from outdial.speech.pico.voice import speaks
from outdial.speech.reading.reader import has_rules
from outdial.speech.vendors import VENDORS

SEVERAL = "multi"  # what vendors are told for a language who find it out themselves


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
        if one is not None and (other := _only(one)) and other != base_of(language):
            what = f"voice {one.voice}" if isinstance(one, VoiceChoice) else f"model {one.model}"
            reason = f"the {what[:80]} is for {other}, and the agent's language is {language}"
            yield ScriptWarning(reason, one.line)


def lacking(choice: SpeechChoice, language: str) -> list[str]:
    """What nobody does in the agent's language: of "voice" and "recognition"."""
    parts = {"voice": choice.voice, "recognition": choice.recognition}
    spoken = {
        part: OFFLINE_LANGUAGE if one is None else _only(one) or base_of(language) for part, one in parts.items()
    }
    lacks = [part for part, by in spoken.items() if by != base_of(language)]
    if choice.voice is None and speaks(language):
        lacks = [part for part in lacks if part != "voice"]
    return lacks


def choice_in(language: str, choice: SpeechChoice, others: Mapping[str, SpeechChoice]) -> SpeechChoice:
    """What an agent speaks and listens with in another language than its own: what was chosen for that (`others`, by
    tags in small letters; for the language anywhere, where its country isn't among them), and else its own `choice`,
    where that has more languages than one."""
    of_language = (chosen for tag, chosen in others.items() if base_of(tag) == base_of(language))
    named = others.get(language.lower()) or next(of_language, NO_CHOICE)
    voice, recognition = choice.voice, choice.recognition
    if voice is not None and _only(voice) not in ("", base_of(language)):
        voice = None
    if recognition is not None:
        has_it = _only(recognition) in ("", base_of(language))
        recognition = _told_no_language(recognition) if has_it else None
    return SpeechChoice(voice=named.voice or voice, recognition=named.recognition or recognition)


def _told_no_language(recognition: RecognitionChoice) -> RecognitionChoice:
    """Without an option that names one, unless that stands for several."""
    if recognition.options.get("language") in (None, SEVERAL):
        return recognition
    return replace(
        recognition, options={key: value for key, value in recognition.options.items() if key != "language"}
    )


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

