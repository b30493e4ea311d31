"""Deepgram as an engine of calls: nova over v1, Flux over v2."""

from functools import partial

from outdial.speech.choice import RecognitionChoice
from outdial.speech.deepgram.flux import FluxCodec, flux_path
from outdial.speech.deepgram.nova import NovaCodec, nova_path
from outdial.speech.stream.recognition import StreamedCall
from outdial.speech.vendor import Access
from outdial.speech.wire.socket import Endpoint, Open, open_socket


class DeepgramSpeechToText:
    """See base.StreamingSpeechToText."""

    def __init__(self, choice: RecognitionChoice, access: Access, language: str) -> None:
        self.name = f"deepgram {choice.model}"
        self.vendor = choice.vendor
        is_flux = choice.model.startswith("flux")
        self._codec: type[FluxCodec] | type[NovaCodec] = FluxCodec if is_flux else NovaCodec
        path = flux_path(choice, language) if is_flux else nova_path(choice, language)
        self._endpoint = partial(_endpoint, access, path)
        self.open_wire: Open = open_socket

    def call(self) -> StreamedCall:
        return StreamedCall(self.name, self._codec, self._endpoint, self.open_wire)


async def _endpoint(access: Access, path: str) -> Endpoint:
    key = await access.key()
    return Endpoint(url=access.socket_url + path, headers={"Authorization": f"Token {key}"} if key else {})
