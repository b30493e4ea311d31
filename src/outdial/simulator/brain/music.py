"""A sound file that the brain has played: /brain/music.wav."""

import io
import wave
from functools import lru_cache

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Route

from outdial.media.frames import SAMPLE_RATE_HZ
from outdial.media.hold_music import hold_music

PATH = "/brain/music.wav"


def routes() -> list[Route]:
    return [Route(PATH, _serve)]


def url_of(connection: HTTPConnection) -> str:
    """Where whoever is connected finds it."""
    scheme = "https" if connection.url.is_secure else "http"
    return f"{scheme}://{connection.url.netloc}{PATH}"


async def _serve(request: Request) -> Response:
    return Response(_wav(), media_type="audio/wav")


@lru_cache(maxsize=1)
def _wav() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, SAMPLE_RATE_HZ, 0, "NONE", ""))
        out.writeframes(hold_music())
    return file.getvalue()
