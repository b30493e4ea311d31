"""AssemblyAI: streaming v3 listens. Source: assemblyai.com/docs/streaming."""

from outdial.speech.assemblyai.recognition import AssemblyAISpeechToText
from outdial.speech.base import StreamingSpeechToText
from outdial.speech.choice import RecognitionChoice
from outdial.speech.vendor import Access, Option, OptionKind, PriceUnit, Recogniser, Vendor

UNIVERSAL = "universal-streaming"


def _recognition(choice: RecognitionChoice, access: Access, language: str) -> StreamingSpeechToText:
    return AssemblyAISpeechToText(choice, access, language)


ASSEMBLYAI = Vendor(
    name="assemblyai",
    title="AssemblyAI",
    key_name="assemblyai_api_key",
    url="https://streaming.assemblyai.com",
    recogniser=Recogniser(
        models=("universal-streaming-english", "universal-streaming-multilingual", "u3-rt-pro"),
        unit=PriceUnit.OPEN,
        open=_recognition,
        only={"universal-streaming-english": "en"},
        options={
            "keyterms": Option(kind=OptionKind.TEXTS),
            "language": Option(kind=OptionKind.TEXT),
            "min_turn_silence_ms": Option(kind=OptionKind.WHOLE, least=50, most=10_000),
            "max_turn_silence_ms": Option(kind=OptionKind.WHOLE, least=100, most=10_000),
            "end_of_turn_confidence_threshold": Option(kind=OptionKind.NUMBER, least=0, most=1, models=UNIVERSAL),
            "format_turns": Option(kind=OptionKind.FLAG, models=UNIVERSAL),
        },
    ),
)
