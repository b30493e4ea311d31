"""ElevenLabs as agents name it. Source: elevenlabs.io/docs."""

from urllib.parse import quote, urlencode

from outdial.speech.base import TextToSpeech
from outdial.speech.choice import VoiceChoice
from outdial.speech.elevenlabs.synthesis_codec import ElevenLabsSynthesis
from outdial.speech.vendor import Access, Option, OptionKind, PriceUnit, Synthesiser, Vendor
from outdial.speech.voice.name import voice_name
from outdial.speech.voice.streamed import StreamedVoice
from outdial.speech.wire.socket import Endpoint

MODEL = "eleven_flash_v2_5"
OF_VOICE = ("stability", "similarity_boost", "style", "use_speaker_boost", "speed")
OF_QUERY = ("apply_text_normalization", "seed", "enable_logging")
UNTOLD = "eleven_multilingual_v2"  # the text tells it its language, and it takes no other word for it
INACTIVE_S = 180  # the most there is; a model thinks for longer than the usual 20


def _voice(choice: VoiceChoice, access: Access, language: str) -> TextToSpeech:
    of_voice = {key: choice.options[key] for key in OF_VOICE if key in choice.options}
    settings = {"voice_settings": of_voice} if of_voice else {}
    model = choice.model or MODEL
    query = {"model_id": model, "output_format": "ulaw_8000"}
    if model != UNTOLD:
        query["language_code"] = language.partition("-")[0].lower()
    query |= {
        "inactivity_timeout": str(INACTIVE_S),
        "auto_mode": "true",
        "sync_alignment": "true",
    }
    for key in OF_QUERY:
        if key in choice.options:
            value = choice.options[key]
            query[key] = str(value).lower() if isinstance(value, bool) else str(value)

    async def endpoint() -> Endpoint:
        path = f"/v1/text-to-speech/{quote(choice.voice, safe='')}/multi-stream-input?{urlencode(query)}"
        return Endpoint(url=access.socket_url + path, headers={"xi-api-key": await access.key()})

    return StreamedVoice(
        choice.vendor, voice_name(choice, language), lambda: ElevenLabsSynthesis(settings), endpoint
    )


ELEVENLABS = Vendor(
    name="elevenlabs",
    title="ElevenLabs",
    key_name="elevenlabs_api_key",
    url="https://api.elevenlabs.io",
    synthesiser=Synthesiser(
        unit=PriceUnit.CHARACTERS,
        open=_voice,
        voices=("JBFqnCBsd6RMkjVDRZzb", "21m00Tcm4TlvDq8ikWAM"),
        models=("eleven_flash_v2_5", "eleven_turbo_v2_5", "eleven_multilingual_v2"),
        options={
            "stability": Option(kind=OptionKind.NUMBER),
            "similarity_boost": Option(kind=OptionKind.NUMBER),
            "style": Option(kind=OptionKind.NUMBER),
            "use_speaker_boost": Option(kind=OptionKind.FLAG),
            "speed": Option(kind=OptionKind.NUMBER, least=0.7, most=1.2),
            "apply_text_normalization": Option(kind=OptionKind.TEXT, one_of=("auto", "on", "off")),
            "seed": Option(kind=OptionKind.WHOLE, least=0, most=4_294_967_295),
            "enable_logging": Option(kind=OptionKind.FLAG),
        },
    ),
)
