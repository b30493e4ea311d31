"""Aura, Deepgram's voices: each is a model. Source: developers.deepgram.com."""

from urllib.parse import urlencode

from outdial.speech.base import TextToSpeech
from outdial.speech.choice import VoiceChoice
from outdial.speech.deepgram.synthesis_codec import DeepgramSynthesis
from outdial.speech.vendor import Access, Option, OptionKind, PriceUnit, Synthesiser
from outdial.speech.voice.name import voice_name
from outdial.speech.voice.streamed import StreamedVoice
from outdial.speech.wire.socket import Endpoint


def _language(voice: str) -> str:
    """The end of its name: aura-2-thalia-en."""
    end = voice.rpartition("-")[2]
    return end if len(end) == 2 and voice.startswith("aura") else ""


def _voice(choice: VoiceChoice, access: Access, language: str) -> TextToSpeech:
    query = {"model": choice.voice, "encoding": "mulaw", "sample_rate": "8000"}
    if "speed" in choice.options:
        query["speed"] = str(choice.options["speed"])
    if choice.options.get("mip_opt_out"):
        query["mip_opt_out"] = "true"

    async def endpoint() -> Endpoint:
        headers = {"Authorization": f"Token {await access.key()}"}
        return Endpoint(url=f"{access.socket_url}/v1/speak?{urlencode(query)}", headers=headers)

    return StreamedVoice(choice.vendor, voice_name(choice, language), DeepgramSynthesis, endpoint)


AURA = Synthesiser(
    unit=PriceUnit.CHARACTERS,
    open=_voice,
    voices=(
        "aura-2-thalia-en", "aura-2-helena-en", "aura-2-orion-en", "aura-2-lara-de", "aura-2-fabian-de",
        "aura-2-agathe-fr", "aura-2-hector-fr", "aura-2-celeste-es", "aura-2-javier-es",
    ),
    only=_language,
    voice_is_model=True,
    options={
        "speed": Option(kind=OptionKind.NUMBER, least=0.7, most=1.5),
        "mip_opt_out": Option(kind=OptionKind.FLAG),
    },
)
