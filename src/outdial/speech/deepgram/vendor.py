"""Deepgram: nova and Flux listen, Aura speaks. Source: developers.deepgram.com."""

from outdial.speech.base import StreamingSpeechToText
from outdial.speech.choice import RecognitionChoice
from outdial.speech.deepgram.recognition import DeepgramSpeechToText
from outdial.speech.deepgram.synthesis import AURA
from outdial.speech.vendor import Access, Option, OptionKind, PriceUnit, Recogniser, Vendor

NOVA, FLUX = "nova", "flux"
EOT_THRESHOLD = 0.7  # Flux's own


def _recognition(choice: RecognitionChoice, access: Access, language: str) -> StreamingSpeechToText:
    return DeepgramSpeechToText(choice, access, language)


DEEPGRAM = Vendor(
    name="deepgram",
    title="Deepgram",
    key_name="deepgram_api_key",
    url="https://api.deepgram.com",
    recogniser=Recogniser(
        models=("nova-3", "nova-2", "nova-2-phonecall", "flux-general-en", "flux-general-multi"),
        unit=PriceUnit.AUDIO,
        open=_recognition,
        only={"nova-2-phonecall": "en", "flux-general-en": "en"},
        options={
            "keyterms": Option(kind=OptionKind.TEXTS),
            "language": Option(kind=OptionKind.TEXT),
            "endpointing_ms": Option(kind=OptionKind.WHOLE, least=10, most=5000, models=NOVA),
            "smart_format": Option(kind=OptionKind.FLAG, models=NOVA),
            "numerals": Option(kind=OptionKind.FLAG),
            "profanity_filter": Option(kind=OptionKind.FLAG),
            "mip_opt_out": Option(kind=OptionKind.FLAG),
            "eot_threshold": Option(kind=OptionKind.NUMBER, least=0.5, most=0.9, models=FLUX),
            "eager_eot_threshold": Option(
                kind=OptionKind.NUMBER, least=0.3, most=0.9, models=FLUX, not_above=("eot_threshold", EOT_THRESHOLD)
            ),
            "eot_timeout_ms": Option(kind=OptionKind.WHOLE, least=500, most=10_000, models=FLUX),
        },
    ),
    synthesiser=AURA,
)
