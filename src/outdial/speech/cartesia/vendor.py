"""Cartesia as agents name it. Source: docs.cartesia.ai."""

from typing import Any

from outdial.speech.base import TextToSpeech
from outdial.speech.cartesia.synthesis_codec import VERSION, CartesiaSynthesis
from outdial.speech.choice import VoiceChoice
from outdial.speech.vendor import Access, Option, OptionKind, PriceUnit, Synthesiser, Vendor
from outdial.speech.voice.name import voice_name
from outdial.speech.voice.streamed import StreamedVoice
from outdial.speech.wire.socket import Endpoint

MODEL = "sonic-3"
GENERATION = ("speed", "volume", "emotion")


def _voice(choice: VoiceChoice, access: Access, language: str) -> TextToSpeech:
    settings: dict[str, Any] = {
        "model_id": choice.model or MODEL,
        "voice": {"mode": "id", "id": choice.voice},
        "language": language.partition("-")[0].lower(),
    }
    if generation := {key: choice.options[key] for key in GENERATION if key in choice.options}:
        settings["generation_config"] = generation
    if "pronunciation_dict_id" in choice.options:
        settings["pronunciation_dict_id"] = choice.options["pronunciation_dict_id"]

    async def endpoint() -> Endpoint:
        headers = {"Authorization": f"Bearer {await access.key()}", "Cartesia-Version": VERSION}
        return Endpoint(url=f"{access.socket_url}/tts/websocket", headers=headers)

    return StreamedVoice(choice.vendor, voice_name(choice, language), lambda: CartesiaSynthesis(settings), endpoint)


CARTESIA = Vendor(
    name="cartesia",
    title="Cartesia",
    key_name="cartesia_api_key",
    url="https://api.cartesia.ai",
    synthesiser=Synthesiser(
        unit=PriceUnit.CHARACTERS,
        open=_voice,
        voices=("6ccbfb76-1fc6-48f7-b71d-91ac6298247b",),
        models=("sonic-3", "sonic-3.5", "sonic-turbo", "sonic-2"),
        options={
            "speed": Option(kind=OptionKind.NUMBER, least=0.6, most=1.5),
            "volume": Option(kind=OptionKind.NUMBER, least=0.5, most=2.0),
            "emotion": Option(kind=OptionKind.TEXT),
            "pronunciation_dict_id": Option(kind=OptionKind.TEXT),
        },
    ),
)
