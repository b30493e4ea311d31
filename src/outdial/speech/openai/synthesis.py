"""Voices over POST /v1/audio/speech. Source: platform.openai.com/docs/api-reference/audio/createSpeech."""

from typing import Any

from outdial.speech.base import TextToSpeech
from outdial.speech.choice import VoiceChoice
from outdial.speech.openai.audio_codec import PcmBody, is_pcm
from outdial.speech.vendor import Access, Option, OptionKind, PriceUnit, Synthesiser
from outdial.speech.voice.name import voice_name
from outdial.speech.voice.requested import Body, RequestedVoice, SpeechRequest

MODEL = "gpt-4o-mini-tts"
PCM_HZ = 24_000


def _voice(choice: VoiceChoice, access: Access, language: str) -> TextToSpeech:
    asked: dict[str, Any] = {
        "model": choice.model or MODEL,
        "voice": choice.voice,
        "response_format": "pcm",
    }
    asked |= {key: choice.options[key] for key in ("instructions", "speed", "sample_rate") if key in choice.options}
    rate_hz = int(asked.get("sample_rate", PCM_HZ))

    async def request(text: str) -> SpeechRequest:
        key = await access.key()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return SpeechRequest(url=f"{access.url}/audio/speech", headers=headers, json={**asked, "input": text.strip()})

    def body(content_type: str) -> Body:
        if not is_pcm(content_type):
            raise ValueError("not PCM")
        return PcmBody(rate_hz)

    return RequestedVoice(choice.vendor, voice_name(choice, language), request, body)


SPEECH = Synthesiser(
    unit=PriceUnit.CHARACTERS,
    open=_voice,
    voices=(
        "marin", "cedar", "alloy", "ash", "ballad", "coral", "echo", "fable",
        "nova", "onyx", "sage", "shimmer", "verse",
    ),
    models=("gpt-4o-mini-tts", "tts-1", "tts-1-hd"),
    options={
        "speed": Option(kind=OptionKind.NUMBER, least=0.25, most=4.0),
        "instructions": Option(kind=OptionKind.TEXT),
        "sample_rate": Option(kind=OptionKind.WHOLE, least=8000, most=48_000),
    },
)
