"""The engines of a call in other languages than its agent's: of vendors whom its author chose, or the server's own."""

from outdial.agents.other_languages import AgentLanguages
from outdial.conversation.call_facts import Engines
from outdial.conversation.languages import no_recogniser, no_voice
from outdial.live.speech_use import SpeechUse
from outdial.speech.base import SpeechToText, StreamingSpeechToText, TextToSpeech


class CallLanguages:
    """See conversation.languages.LanguageEngines. `engines`: the call's own, made of what is `shared` by all; `spoken`
    sees what vendors do."""

    def __init__(self, agent: AgentLanguages, engines: Engines, shared: Engines, spoken: SpeechUse) -> None:
        self._agent = agent
        self._engines = engines
        self._shared = shared
        self._spoken = spoken
        self._voices: dict[str, TextToSpeech] = {}

    def key(self, language: str) -> str:
        return self._agent.key(language)

    def voice(self, language: str) -> TextToSpeech:
        if self._agent.is_own(language):
            return self._engines.text_to_speech
        key = self.key(language)
        if (found := self._voices.get(key)) is None:
            own = self._agent.speech(language).from_text
            found = self._spoken.voice_of(own, self._shared.text_to_speech, language)
            if found is None:
                raise no_voice(language)
            self._voices[key] = found
        return found

    def recogniser(self, language: str) -> SpeechToText | StreamingSpeechToText:
        own, shared = self._agent.speech(language).to_text, self._shared.speech_to_text
        if self._agent.is_own(language):
            return self._spoken.recognition(own, shared, language)
        found = self._spoken.recogniser_of(own, shared, language)
        if found is None:
            raise no_recogniser(language)
        return found
