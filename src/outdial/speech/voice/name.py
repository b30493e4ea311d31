"""What a vendor's voice is called where its audio is kept: two that sound different have two names. Pure."""

import json

from outdial.speech.choice import VoiceChoice


def voice_name(choice: VoiceChoice, language: str) -> str:
    options = json.dumps(dict(choice.options), sort_keys=True)
    return f"{choice.vendor} {choice.model} {choice.voice} {language} {options}"
