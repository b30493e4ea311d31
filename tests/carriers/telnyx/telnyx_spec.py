"""Telnyx's OpenAPI document. Its repository states no licence, so ours has no copy: where it lies beside the
repository (../shared/carriers/specs/telnyx_voice.json), it judges our requests."""

from pathlib import Path

import httpx
import pytest

from carriers.openapi import Spec

PATH = Path(__file__).parents[4] / "shared/carriers/specs/telnyx_voice.json"
SPEC = Spec(PATH, "https://api.telnyx.com/v2") if PATH.exists() else None

needs_spec = pytest.mark.skipif(SPEC is None, reason="Telnyx's OpenAPI document is not here; it can't be shipped")


def check(request: httpx.Request) -> None:
    """Raises AssertionError for a request that isn't in the document; without it, nothing is known."""
    if SPEC is not None:
        SPEC.check(request)
