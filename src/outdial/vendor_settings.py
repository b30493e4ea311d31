"""Servers of vendors, and their keys, as an operator writes them in settings: JSON in one value."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

MOST_DOLLARS = 1000  # of a unit
_VENDORS_ARE = 'is JSON, a vendor and its key or its URL: {"deepgram": {"key": "…"}, "openai": {"url": "http://…/v1"}}'


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechServer:
    """What a server's operator says of a speech vendor. `url`: None for the vendor's own, else without a slash at its
    end; `key`: for workspaces that have none, None where there is none. `prices` are in dollars: `voice` for a thousand
    characters, `recognition` for a minute; calls tell by them what theirs cost."""

    url: str | None = None
    key: str | None = field(default=None, repr=False)
    prices: Mapping[str, float] = field(default_factory=dict)


def model_keys(written: SecretStr | None) -> Mapping[str, str]:
    """By the base URL of a model's server. Raises ValueError, without what is written."""
    keys = _read(written)
    if not isinstance(keys, dict) or not all(isinstance(key, str) for key in keys.values()):
        raise ValueError('is JSON, base URL and key: {"https://api.openai.com/v1": "sk-…"}')
    if not all(url.startswith(("http://", "https://")) for url in keys):
        raise ValueError("names servers by URLs that start with http:// or https://")
    return keys


def speech_servers(written: SecretStr | None) -> Mapping[str, SpeechServer]:
    """By the names of vendors. Raises ValueError, without what is written."""
    servers = _read(written)
    if not isinstance(servers, dict):
        raise ValueError(_VENDORS_ARE)
    return {name: _speech_server(server) for name, server in servers.items()}


def _speech_server(written: Any) -> SpeechServer:
    if not isinstance(written, dict) or written.keys() - {"url", "key", "prices"}:
        raise ValueError(_VENDORS_ARE)
    url, key = written.get("url"), written.get("key")
    if not isinstance(url, str | None) or not isinstance(key, str | None):
        raise ValueError(_VENDORS_ARE)
    if url is not None and not url.startswith(("http://", "https://")):
        raise ValueError("names servers by URLs that start with http:// or https://")
    prices = written.get("prices", {})
    if not _are_prices(prices):
        raise ValueError('has prices in dollars: {"voice": 0.03, "recognition": 0.0077}')
    return SpeechServer(url=None if url is None else url.rstrip("/"), key=key or None, prices=prices)


def _are_prices(written: Any) -> bool:
    if not isinstance(written, dict) or written.keys() - {"voice", "recognition"}:
        return False
    return all(type(price) in (int, float) and 0 <= price < MOST_DOLLARS for price in written.values())


def _read(written: SecretStr | None) -> Any:
    if written is None:
        return {}
    try:
        return json.loads(written.get_secret_value())
    except ValueError:
        return None
