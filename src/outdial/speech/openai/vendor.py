"""OpenAI, and compatible servers, as agents name them."""

from outdial.speech.openai.recognition import TRANSCRIPTIONS
from outdial.speech.openai.synthesis import SPEECH
from outdial.speech.vendor import Vendor

OPENAI = Vendor(
    name="openai",
    title="OpenAI",
    key_name="openai_api_key",
    url="https://api.openai.com/v1",
    recogniser=TRANSCRIPTIONS,
    synthesiser=SPEECH,
    keyless=True,
    realtime=True,
)
