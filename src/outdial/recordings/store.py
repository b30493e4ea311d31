"""A store of recordings that every host reads: a bucket at S3, GCS or Azure, or a folder that all of them see. Blocks.

What it may ask for, as credentials and region, comes from the variables of its kind (AWS_…, GOOGLE_…, AZURE_…).
obstore's own coroutines aren't used: one that ended shortly before the interpreter does makes it abort (0.12.1).
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import obstore
from obstore.exceptions import BaseError

from outdial.recordings.errors import StoreUnreachable

logger = logging.getLogger(__name__)

TRIES_WITHIN = timedelta(seconds=10)
PROBE = "outdial-probe"
FILE = "file://"


class Store:
    """Places are paths below its URL. Every method raises StoreUnreachable."""

    def __init__(self, url: str) -> None:
        """`s3://bucket/folder`, `gs://…`, `az://…`, `file:///…`. Raises ValueError for one that is no store's."""
        with _refused():
            if url.startswith(FILE):
                Path(url.removeprefix(FILE)).mkdir(mode=0o700, parents=True, exist_ok=True)
                self._store = obstore.store.from_url(url)
            else:
                # Options of the client aren't given: they would take the place of the variables', AWS_ALLOW_HTTP's too.
                self._store = obstore.store.from_url(
                    url, retry_config={"max_retries": 2, "retry_timeout": TRIES_WITHIN}
                )

    def size(self, place: str) -> int | None:
        """In bytes; None where there is nothing."""
        try:
            with _reached():
                return obstore.head(self._store, place)["size"]
        except FileNotFoundError:
            return None

    def read(self, place: str, first: int, last: int) -> bytes:
        """Bytes `first` to `last`, both included. Raises FileNotFoundError."""
        with _reached():
            return bytes(obstore.get_range(self._store, place, start=first, end=last + 1))

    def get(self, place: str) -> bytes | None:
        """The whole of something small."""
        try:
            with _reached():
                return bytes(obstore.get(self._store, place).bytes())
        except FileNotFoundError:
            return None

    def put(self, place: str, content: bytes | Path) -> None:
        """In the place of what was there. Raises FileNotFoundError for a path to nothing."""
        with _reached():
            obstore.put(self._store, place, content)

    def remove(self, *places: str) -> None:
        """What isn't there is no error."""
        if places:
            with _reached():
                obstore.delete(self._store, list(places))

    def below(self, folder: str) -> list[str]:
        """Every place in it."""
        with _reached():
            return [each["path"] for batch in obstore.list(self._store, folder) for each in batch]

    def probe(self) -> None:
        """Write something, read it, delete it."""
        self.put(PROBE, b"outdial")
        if self.get(PROBE) != b"outdial":
            raise StoreUnreachable("it forgets what was written")
        self.remove(PROBE)


@contextmanager
def _reached() -> Iterator[None]:
    try:
        yield
    except BaseError as error:
        logger.debug("Store of recordings refused", extra={"error": type(error).__name__})
        raise StoreUnreachable(type(error).__name__) from None


@contextmanager
def _refused() -> Iterator[None]:
    try:
        yield
    except (BaseError, OSError) as error:
        raise ValueError(str(error).partition("\n")[0]) from None
