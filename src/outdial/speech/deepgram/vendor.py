"""Deepgram: nova and Flux listen, Aura speaks. Source: developers.deepgram.com."""

from outdial.speech.base import SpeechToText
from outdial.speech.choice import RecognitionChoice
from outdial.speech.deepgram.synthesis import AURA
from outdial.speech.missing import NoSpeechToText
from outdial.speech.vendor import Access, Option, OptionKind, PriceUnit, Recogniser, Vendor


def _recognition(choice: RecognitionChoice, access: Access, language: str) -> SpeechToText:
    return NoSpeechToText()


DEEPGRAM = Vendor(
    name="deepgram",
    title="Deepgram",
    key_name="deepgram_api_key",
    url="https://api.deepgram.com",
    recogniser=Recogniser(
        models=("nova-3", "nova-2", "nova-2-phonecall", "flux-general-en", "flux-general-multi"),
        unit=PriceUnit.AUDIO,
        open=_recognition,
        options={
            "keyterms": Option(kind=OptionKind.TEXTS),
            "endpointing_ms": Option(kind=OptionKind.WHOLE, least=10, most=5000),
            "smart_format": Option(kind=OptionKind.FLAG),
            "numerals": Option(kind=OptionKind.FLAG),
            "profanity_filter": Option(kind=OptionKind.FLAG),
            "mip_opt_out": Option(kind=OptionKind.FLAG),
            "eot_threshold": Option(kind=OptionKind.NUMBER, least=0.5, most=0.9),
            "eager_eot_threshold": Option(kind=OptionKind.NUMBER, least=0.3, most=0.9),
            "eot_timeout_ms": Option(kind=OptionKind.WHOLE, least=500, most=10_000),
        },
    ),
    synthesiser=AURA,
)
