"""AssemblyAI as an engine of calls."""

from functools import partial

from outdial.speech.assemblyai.streaming_codec import AssemblyAICodec, streaming_path
from outdial.speech.choice import RecognitionChoice
from outdial.speech.stream.recognition import StreamedCall
from outdial.speech.vendor import Access
from outdial.speech.wire.socket import Endpoint, Open, open_socket

VERSION = "2025-05-12"


class AssemblyAISpeechToText:
    """See base.StreamingSpeechToText."""

    def __init__(self, choice: RecognitionChoice, access: Access, language: str) -> None:
        self.name = f"assemblyai {choice.model}"
        self.vendor = choice.vendor
        self._endpoint = partial(_endpoint, access, streaming_path(choice, language))
        self.open_wire: Open = open_socket

    def call(self) -> StreamedCall:
        return StreamedCall(self.name, AssemblyAICodec, self._endpoint, self.open_wire)


async def _endpoint(access: Access, path: str) -> Endpoint:
    headers = {"Authorization": await access.key(), "AssemblyAI-Version": VERSION}  # the key without any prefix
    return Endpoint(url=access.socket_url + path, headers=headers)
