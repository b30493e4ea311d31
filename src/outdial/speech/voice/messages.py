"""A vendor's JSON, read. Vendors add messages and fields, and change them: what has another form than we know is passed
over, and the log tells it once, without what is in it."""

import logging
from typing import Generic, TypeVar

import msgspec

from outdial.speech.voice.codec import Message

logger = logging.getLogger(__name__)

Read = TypeVar("Read")


class Messages(Generic[Read]):
    """Of one vendor, for all its connections."""

    def __init__(self, vendor: str, decoder: msgspec.json.Decoder[Read]) -> None:
        self._vendor = vendor
        self._decoder = decoder
        self._is_told = False

    def read(self, message: Message | msgspec.Raw) -> Read | None:
        """None for what has another form. Raises ValueError for what is no JSON."""
        try:
            return self._decoder.decode(message)
        except msgspec.ValidationError:
            if not self._is_told:
                self._is_told = True
                logger.warning("Speech vendor's message has an unknown form", extra={"vendor": self._vendor})
            return None
        except (msgspec.DecodeError, RecursionError) as error:
            raise ValueError("no JSON") from error
