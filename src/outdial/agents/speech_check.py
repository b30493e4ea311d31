"""Whether a speech vendor can be used in a workspace, tried with its key as it is now; and which vendors there are."""

import time
from collections.abc import Callable, Collection, Coroutine, Mapping
from contextlib import aclosing
from enum import StrEnum
from functools import partial
from typing import Any

from typing_extensions import TypedDict

from outdial.agents.own_speech import SpeechVendors
from outdial.agents.script.model import ScriptError
from outdial.agents.script.speech_choice import short_voice
from outdial.refusals import Invalid, NotFound
from outdial.speech.base import SpeechToText, StreamingSpeechToText, TextToSpeech
from outdial.speech.choice import RecognitionChoice, VoiceChoice
from outdial.speech.fallback import VendorVoice
from outdial.speech.openai.realtime_check import MODEL, check_realtime
from outdial.speech.recognition_fallback import VendorRecogniser
from outdial.speech.vendor import PriceUnit, Vendor
from outdial.speech.vendors import VENDORS
from outdial.speech.voice.channel import one_text
from outdial.speech.wire.failures import Fault, VendorFailed

LANGUAGE = "en-US"
WORD = "Yes."   # what a voice is asked to say
CHECK_S = 10.0  # for its first audio


class VendorPart(StrEnum):
    """What a vendor can be used for."""

    VOICE = "voice"
    RECOGNITION = "recognition"
    REALTIME = "realtime"  # a model that hears and speaks itself


class VendorView(TypedDict):
    """A vendor of speech. `recognition`, `voice` and `realtime` (a model that hears and speaks itself): whether agents
    can have that of it; `models` are those of its
    recognition that are known here, `voices` and `voice_models` of its voices, and there may be more. `secret`: its
    key, as the workspace's secret of that name; `has_key`: whether there is one, or none is needed. `prices`: what its
    prices are for; `dollars`: what the operator's price list says, for a thousand characters of its voice or a minute
    of its recognition."""

    name: str
    title: str
    recognition: bool
    voice: bool
    realtime: bool
    models: list[str]
    voices: list[str]
    voice_models: list[str]
    secret: str
    has_key: bool
    prices: dict[str, PriceUnit]
    dollars: dict[str, float]


class VendorCheck(TypedDict):
    """`part` is `recognition`, `voice` or `realtime`; `voice`: the one that was asked to speak. `works`: the vendor
    takes calls with this key. Else `fault` says why (`unauthorized`, `no_credit`, `busy`, `refused`, `unreachable`,
    `slow`, …) and `code` is the vendor's own word for it, null without one."""

    vendor: str
    part: str
    model: str
    voice: str | None
    works: bool
    fault: str | None
    code: str | None
    took_ms: int


def list_vendors(secrets: Collection[str], vendors: SpeechVendors) -> list[VendorView]:
    """`secrets`: the workspace's."""
    return [
        _view(one, one.key_name in secrets or one.name in vendors.with_key, vendors.prices(one.name))
        for one in VENDORS.values()
    ]


async def check_vendor(
    vendors: SpeechVendors,
    workspace_id: str,
    name: str,
    *,
    part: VendorPart | None = None,
    model: str | None = None,
    voice: str | None = None,
) -> VendorCheck:
    """`part`: by default its recognition, where it has one. A session is opened as a call does; for recognition nothing
    is sent, and a voice says one word. Raises NotFound, and Invalid for a part that the vendor hasn't."""
    vendor = VENDORS.get(name)
    if vendor is None:
        known = ", ".join(VENDORS)
        raise NotFound("speech_vendor_not_found", f"There is no speech vendor {name[:40]!r}; known: {known}.")
    if part is None:
        part = VendorPart.VOICE if voice is not None or vendor.recogniser is None else VendorPart.RECOGNITION
    access, engine = vendors.access(workspace_id, name), vendor.recogniser
    ask: Callable[[], Coroutine[Any, Any, None]]
    if part == VendorPart.REALTIME:
        if not vendor.realtime:
            raise Invalid("part", f"is no realtime: {vendor.title} has no models here that hear and speak themselves")
        model, voice = model or MODEL, None
        ask = partial(check_realtime, access, model, CHECK_S)
    elif part == VendorPart.RECOGNITION:
        if engine is None:
            raise Invalid("part", f"is recognition, and {vendor.title} has only voices here")
        model, voice = model or engine.models[0], None
        hears = engine.open(RecognitionChoice(vendor=name, model=model), access, LANGUAGE)
        ask = partial(_hear, hears)
    else:
        if vendor.synthesiser is None:
            raise Invalid("part", f"is voice, and {vendor.title} has only recognition here")
        voice = voice or vendor.synthesiser.voices[0]
        language = vendor.synthesiser.only(voice) or LANGUAGE
        choice = VoiceChoice(vendor=name, voice=voice, model=model or "")
        model = model or next(iter(vendor.synthesiser.models), voice)
        ask = partial(_speak, vendor.synthesiser.open(choice, access, language))
    began = time.monotonic()
    failure: VendorFailed | None = None
    try:
        await ask()
    except VendorFailed as failed:
        failure = failed
    return VendorCheck(
        vendor=name,
        part=part.value,
        model=model,
        voice=voice,
        works=failure is None,
        fault=None if failure is None else failure.fault.value,
        code=None if failure is None else failure.word or None,
        took_ms=round((time.monotonic() - began) * 1000),
    )


def chosen_voice(vendors: SpeechVendors, workspace_id: str, written: str, language: str) -> TextToSpeech:
    """The voice that an agent means by `vendor/voice`; the caller closes it. Raises Invalid."""
    try:
        choice = short_voice(written)
    except ScriptError as error:
        raise Invalid("voice", error.reason) from None
    synthesiser = VENDORS[choice.vendor].synthesiser
    assert synthesiser is not None  # or it couldn't have been chosen
    return synthesiser.open(choice, vendors.access(workspace_id, choice.vendor), language)


async def _hear(engine: SpeechToText | StreamingSpeechToText) -> None:
    assert isinstance(engine, VendorRecogniser)
    call = engine.call()
    try:
        await call.check()
    finally:
        await call.aclose()


async def _speak(engine: TextToSpeech) -> None:
    """Until there is audio: what is said then costs the same."""
    assert isinstance(engine, VendorVoice)
    try:
        async with aclosing(engine.speak_all(one_text(WORD), lambda words: None, first_s=CHECK_S)) as audio:
            async for _ in audio:
                return
        raise VendorFailed(Fault.UNREADABLE)
    finally:
        await engine.aclose()


def _view(vendor: Vendor, has_key: bool, dollars: Mapping[str, float]) -> VendorView:
    recogniser, synthesiser = vendor.recogniser, vendor.synthesiser
    prices: dict[str, PriceUnit] = {}
    if recogniser is not None:
        prices["recognition"] = recogniser.unit
    if synthesiser is not None:
        prices["voice"] = synthesiser.unit
    return VendorView(
        name=vendor.name,
        title=vendor.title,
        recognition=recogniser is not None,
        voice=synthesiser is not None,
        realtime=vendor.realtime,
        models=[] if recogniser is None else list(recogniser.models),
        voices=[] if synthesiser is None else list(synthesiser.voices),
        voice_models=[] if synthesiser is None else list(synthesiser.models),
        secret=vendor.key_name,
        has_key=has_key,
        prices=prices,
        dollars=dict(dollars),
    )
