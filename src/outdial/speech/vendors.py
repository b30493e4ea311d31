"""The speech vendors: a new one is a folder and a line here (docs/adding-a-vendor.md)."""

from collections.abc import Mapping

from outdial.speech.assemblyai.vendor import ASSEMBLYAI
from outdial.speech.cartesia.vendor import CARTESIA
from outdial.speech.deepgram.vendor import DEEPGRAM
from outdial.speech.elevenlabs.vendor import ELEVENLABS
from outdial.speech.openai.vendor import OPENAI
from outdial.speech.vendor import Vendor

VENDORS: Mapping[str, Vendor] = {
    vendor.name: vendor
    for vendor in (
        ASSEMBLYAI,
        CARTESIA,
        DEEPGRAM,
        ELEVENLABS,
        OPENAI,
    )
}  # fmt: skip
