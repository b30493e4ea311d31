"""A callee whose words an engine hears, in virtual time, and an engine that knows words by their sound alone."""

import asyncio
import re

from outdial.media.frames import FRAME_BYTES, FRAME_MS, SILENT_FRAME
from outdial.media.g711 import pcm_to_ulaw, ulaw_to_pcm
from speech.synthesis.in_memory import WordVoice

PAUSE_MS = 200  # until voice detection has noticed it


class WordEars:
    """Understands WordVoice's words: a SpeechToText."""

    name = "word ears"

    def __init__(self, voice, *, takes_s=0.03, says=str):
        self.voice = voice
        self.takes_s = takes_s
        self.says = says
        self.asked = 0

    def recognition(self):
        return _WordRecognition(self)


class _WordRecognition:
    waited_ms = 0

    def __init__(self, ears):
        self._ears = ears
        self._pcm = b""

    def feed(self, pcm):
        self._pcm += pcm

    async def text(self):
        self._ears.asked += 1
        pcm = self._pcm
        await asyncio.sleep(self._ears.takes_s)
        return self._ears.says(" ".join(self._ears.voice.heard(pcm)))

    async def partial(self):
        return await self.text()


class Callee:
    """On a call that an engine hears; `voice` makes audio of a text."""

    def __init__(self, call, voice=None):
        self.call = call
        self.voice = voice or WordVoice()
        self.ms = 0
        self.utterance = None
        self.changes = []
        call.changed = lambda: self.changes.append(self.ms)

    async def is_silent(self, ms):
        await self._hears(SILENT_FRAME * (ms // FRAME_MS))

    async def begins(self, text):
        """To speak; the pause after it is another's."""
        pcm = await self.voice(text)
        self.utterance = self.call.recognition(self.ms)
        await self._hears(pcm)
        return self.utterance

    async def goes_on(self, text):
        await self._hears(await self.voice(text))

    async def says(self, text):
        """An utterance with the pause that ends it."""
        utterance = await self.begins(text)
        await self.is_silent(PAUSE_MS)
        return utterance

    async def hears_text(self, utterance):
        """Its words, while the line goes on; and how long they took."""
        began = asyncio.get_running_loop().time()
        asking = asyncio.create_task(utterance.text())
        while not asking.done():
            await self.is_silent(FRAME_MS)
        return plain(asking.result()), asyncio.get_running_loop().time() - began

    async def _hears(self, pcm):
        pcm = ulaw_to_pcm(pcm_to_ulaw(pcm))
        for at in range(0, len(pcm), FRAME_BYTES):
            frame = pcm[at : at + FRAME_BYTES].ljust(FRAME_BYTES, b"\0")
            self.ms += FRAME_MS
            self.call.audio(frame, self.ms)
            if self.utterance is not None:
                self.utterance.feed(frame)
            await asyncio.sleep(FRAME_MS / 1000)


def plain(text):
    return " ".join(re.findall(r"[a-z0-9']+", text.casefold()))
