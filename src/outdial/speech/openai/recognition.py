"""OpenAI's transcriptions, and those of compatible servers, as an engine of calls: each utterance is a request.

It hears nothing while somebody speaks, so it has no guesses, and whoever listens finds the end of a turn. A call keeps
its connections to itself, and opens the first one when it begins.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

import httpx

from outdial.media.frames import BYTES_PER_MS
from outdial.net.guarded import tls
from outdial.speech.base import StreamingSpeechToText, TurnTold
from outdial.speech.choice import RecognitionChoice
from outdial.speech.openai.transcription import PATH, form_of, text_of, wav_of
from outdial.speech.recognition_fallback import ALONE_S, RecognitionUse
from outdial.speech.vendor import Access, KeyMissing, Option, OptionKind, PriceUnit, Recogniser
from outdial.speech.wire.body import UNPACKED, beginning
from outdial.speech.wire.failures import Fault, VendorFailed, by_status

logger = logging.getLogger(__name__)

WITHIN_S = 2.0            # for the words of an utterance, where another engine could be asked
LEAST_MS = 200            # models invent words for less
MOST_MS = 120_000
MOST_ANSWER_BYTES = 1_000_000


class OpenAISpeechToText:
    """See base.StreamingSpeechToText."""

    def __init__(self, choice: RecognitionChoice, access: Access, language: str) -> None:
        self.name = f"openai {choice.model}"
        self.vendor = choice.vendor
        self.transport: httpx.AsyncBaseTransport | None = None
        self._access = access
        self._form = form_of(choice, language)

    def call(self) -> "TranscribedCall":
        return TranscribedCall(self.name, self._access, self._form, self.transport)


class TranscribedCall:
    """See base.CallRecognition."""

    def __init__(
        self, name: str, access: Access, form: dict[str, str], transport: httpx.AsyncBaseTransport | None
    ) -> None:
        self.name = name
        self.changed: Callable[[], object] = lambda: None
        self.within_s = WITHIN_S
        self.gives_up = True  # each utterance is a request of its own
        self.tells_silence = True
        self._access = access
        self._form = form
        self._sent_ms = 0
        self._refusal: VendorFailed | None = None
        self._http = httpx.AsyncClient(
            transport=transport, verify=tls(), trust_env=False, timeout=httpx.Timeout(ALONE_S), base_url=access.url,
            headers=UNPACKED,
        )  # fmt: skip
        self._warming = asyncio.create_task(self._warm_up(), name="speech recognition")

    def audio(self, pcm: bytes, at_ms: int) -> None:
        pass  # an utterance is fed with its own

    def recognition(self, since_ms: int) -> "Transcription":
        return Transcription(self)

    def told(self, quiet_since_ms: int) -> TurnTold | None:
        return None

    @property
    def is_over(self) -> bool:
        return self._refusal is not None

    def used(self) -> RecognitionUse:
        return RecognitionUse(audio_ms=self._sent_ms, open_ms=self._sent_ms)

    def leave(self) -> None:
        pass  # each utterance is a request

    async def aclose(self) -> None:
        self._refusal = VendorFailed(Fault.LOST)
        self._warming.cancel()
        with suppress(asyncio.CancelledError):
            await self._warming
        await self._http.aclose()

    async def transcribe(self, pcm: bytes) -> str:
        """Raises VendorFailed. A request that fails is repeated once, where that may help."""
        try:
            async with asyncio.timeout(self.within_s):
                try:
                    return await self._asked(pcm)
                except VendorFailed as failure:
                    if not failure.fault.may_pass:
                        self._refusal = failure
                        raise
                return await self._asked(pcm)
        except TimeoutError:
            raise VendorFailed(Fault.SLOW) from None

    async def _asked(self, pcm: bytes) -> str:
        if self._refusal is not None:
            raise self._refusal
        files = {"file": ("utterance.wav", wav_of(pcm), "audio/wav")}
        try:
            headers = await self._headers()
            async with self._http.stream("POST", PATH, data=self._form, files=files, headers=headers) as answer:
                body = await beginning(answer, MOST_ANSWER_BYTES)
        except httpx.TimeoutException as error:
            raise VendorFailed(Fault.SLOW) from error
        except httpx.ConnectError as error:
            raise VendorFailed(Fault.UNREACHABLE) from error
        except httpx.HTTPError as error:
            raise VendorFailed(Fault.LOST) from error
        if not answer.is_success:
            raise by_status(answer.status_code, body)
        self._sent_ms += len(pcm) // BYTES_PER_MS  # what failed isn't paid for
        return text_of(body)

    async def _headers(self) -> dict[str, str]:
        try:
            key = await self._access.key()
        except KeyMissing as error:
            raise VendorFailed(Fault.UNAUTHORIZED, word="no_key") from error
        except Exception as error:  # of the database, which has the key
            raise VendorFailed(Fault.UNREACHABLE) from error
        return {"Authorization": f"Bearer {key}"} if key else {}

    async def check(self) -> None:
        """Raises VendorFailed. With a request that costs nothing, and that some compatible servers don't know."""
        try:
            async with self._http.stream("GET", "/models", headers=await self._headers()) as answer:
                body = await beginning(answer, MOST_ANSWER_BYTES)
        except httpx.HTTPError as error:
            raise VendorFailed(Fault.UNREACHABLE) from error
        if not answer.is_success and answer.status_code not in (404, 405):
            raise by_status(answer.status_code, body)

    async def _warm_up(self) -> None:
        """Open a connection. What comes of it doesn't matter."""
        with suppress(VendorFailed):
            await self.check()


class Transcription:
    """See base.Recognition."""

    def __init__(self, call: TranscribedCall) -> None:
        self.waited_ms = 0
        self._call = call
        self._pcm = bytearray()
        self._known: tuple[int, str] = (0, "")

    def feed(self, pcm: bytes) -> None:
        if len(self._pcm) < MOST_MS * BYTES_PER_MS:
            self._pcm += pcm

    async def text(self) -> str:
        """Raises VendorFailed."""
        fed, text = self._known
        if fed != len(self._pcm):
            pcm = bytes(self._pcm)
            text = await self._call.transcribe(pcm) if len(pcm) >= LEAST_MS * BYTES_PER_MS else ""
            self._known = (len(pcm), text)
        return text

    async def partial(self) -> str | None:
        return None


def _recognition(choice: RecognitionChoice, access: Access, language: str) -> StreamingSpeechToText:
    return OpenAISpeechToText(choice, access, language)


TRANSCRIPTIONS = Recogniser(
    models=("gpt-4o-mini-transcribe", "gpt-4o-transcribe", "whisper-1"),
    unit=PriceUnit.AUDIO,
    open=_recognition,
    options={"language": Option(kind=OptionKind.TEXT), "prompt": Option(kind=OptionKind.TEXT)},
)
