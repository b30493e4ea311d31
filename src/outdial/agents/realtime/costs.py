"""What a realtime model's answers cost: tokens of audio and of text have prices of their own. Pure, but for the price
list, which is imported when it is first asked."""

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from outdial.agents.llm.chat import Usage
from outdial.agents.llm.metering import MOST_TOKENS

MOST_SECONDS = 86_400  # of what is written down in one go
AUDIO_MS_A_TOKEN = 50  # of what OpenAI's models say; for servers that don't tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """`sent` and `received` are all of them; of these so many were audio, and so many were cached on the server."""

    sent: int = 0
    received: int = 0
    audio_sent: int = 0
    audio_received: int = 0
    cached: int = 0
    audio_cached: int = 0

    @property
    def total(self) -> int:
        return self.sent + self.received

    def told(self) -> Mapping[str, int]:
        """As a call's feed has them."""
        return {
            "audio_in": self.audio_sent,
            "text_in": self.sent - self.audio_sent,
            "audio_out": self.audio_received,
            "text_out": self.received - self.audio_received,
            "cached_in": self.cached,
        }


def tokens_of(usage: Mapping[str, Any]) -> Tokens:
    """Of a server's figures; what can't be counts for nothing."""
    sent, received = _part(usage, "input_token_details"), _part(usage, "output_token_details")
    cached = _part(sent, "cached_tokens_details")
    in_all, out_all = _count(usage, "input_tokens"), _count(usage, "output_tokens")
    return Tokens(
        sent=in_all,
        received=out_all,
        audio_sent=min(in_all, _count(sent, "audio_tokens")),
        audio_received=min(out_all, _count(received, "audio_tokens")),
        cached=min(in_all, _count(sent, "cached_tokens")),
        audio_cached=min(in_all, _count(cached, "audio_tokens")),
    )


def cost_of(model: str, base_url: str, tokens: Tokens, *, said_ms: int = 0) -> Usage:
    """`said_ms` of audio came: an estimate where the server tells no tokens."""
    if not tokens.total:
        return Usage(tokens=math.ceil(said_ms / AUDIO_MS_A_TOKEN), estimated=True)
    return Usage(tokens=tokens.total, dollars=_dollars(model, base_url, tokens))


def cost_of_audio(model: str, base_url: str, usage: Mapping[str, Any]) -> Usage | None:
    """Of a model that is paid by the second, as whisper-1 is; None where the server tells no seconds."""
    seconds = usage.get("seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= MOST_SECONDS:
        return None
    dollars = None
    with suppress(Exception):
        from genai_prices import Usage as Priced
        from genai_prices import calc_price

        price = calc_price(Priced(audio_seconds=seconds), model, provider_api_url=base_url).total_price
        dollars = float(price) or None  # a model that is paid by the token costs nothing a second
    return Usage(tokens=0, dollars=dollars)


def _dollars(model: str, base_url: str, tokens: Tokens) -> float | None:
    """None where nobody knows the price, as of a server of one's own."""
    with suppress(Exception):
        from genai_prices import Usage as Priced
        from genai_prices import calc_price

        usage = Priced(
            input_tokens=tokens.sent,
            output_tokens=tokens.received,
            input_audio_tokens=tokens.audio_sent,
            output_audio_tokens=tokens.audio_received,
            cache_read_tokens=tokens.cached,
            cache_audio_read_tokens=tokens.audio_cached,
        )
        return float(calc_price(usage, model, provider_api_url=base_url).total_price)
    return None


def _part(usage: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = usage.get(name)
    return found if isinstance(found, dict) else {}


def _count(usage: Mapping[str, Any], name: str) -> int:
    found = usage.get(name)
    return found if type(found) is int and 0 <= found <= MOST_TOKENS else 0
