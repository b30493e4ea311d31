"""A model behind OpenAI's interface: the vendor's own, any compatible server, also one on this machine.

The wire is spoken here and not by the vendor's library, which walks every message of every request in Python and makes
a dozen objects of each token: it took the core for 9 to 18 ms an answer, of which half passed before the request was
sent; this takes 2 to 5. See bench/README.md.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

import httpx
import msgspec

from outdial.agents.llm.chat import ModelFailed, Piece, Request
from outdial.agents.llm.completions import Completion, Tokens, body_of, word_of
from outdial.agents.llm.wire import ModelTransport, is_direct
from outdial.net.cookies import nothing_kept

CONNECT_S = 5.0
WARM_UP_S = 5.0
KEPT = 200           # connections to one server that wait for their next request, and …
KEPT_S = 60.0        # … for how long: a callee may think
DRAIN_S = 0.2        # for the end of a stream after its last word: then its connection can be used again
MAX_ERROR = 100_000  # bytes of an error's body


class ChatServerModel:
    """One model of one server. `key`: None where it needs none."""

    def __init__(self, name: str, url: str, key: str | None) -> None:
        self.name = name
        self._url = url
        self._is_priced = True
        self._is_priced = self._cost(Tokens(asked=1, cached=0, answered=1)) is not None  # which loads the prices
        server = httpx.URL(url)
        self._http = httpx.AsyncClient(
            base_url=server,
            transport=ModelTransport(server, kept=KEPT, kept_s=KEPT_S) if is_direct(server) else None,
            headers={
                "authorization": f"Bearer {key or 'none'}",
                "content-type": "application/json",
                "accept-encoding": "identity",  # a word isn't to wait for a block of them
                "user-agent": "outdial",
            },
            cookies=nothing_kept(),
            timeout=WARM_UP_S,  # but for answers, which have their own
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=KEPT, keepalive_expiry=KEPT_S),
        )

    async def ask(self, request: Request) -> AsyncGenerator[Piece]:
        try:
            async with self._http.stream(
                "POST",
                "chat/completions",
                content=body_of(self.name, request),
                timeout=httpx.Timeout(request.first_s + request.gap_s, connect=CONNECT_S),
            ) as response:
                if response.status_code != 200:
                    raise ModelFailed(await _refusal(response))
                streamed = "json" not in response.headers.get("content-type", "")
                completion = Completion(streamed=streamed, price=self._cost)
                data = response.aiter_bytes()
                async for some in data:
                    for piece in completion.feed(some):
                        yield piece
                    if completion.is_over:
                        break
                for piece in completion.end():
                    yield piece
                with suppress(TimeoutError, httpx.HTTPError):
                    async with asyncio.timeout(DRAIN_S):
                        async for _ in data:
                            pass
        except httpx.TimeoutException:
            raise ModelFailed("timeout") from None
        except httpx.ConnectError:
            raise ModelFailed("unreachable") from None
        except httpx.HTTPError as error:
            raise ModelFailed(type(error).__name__) from None

    async def warm_up(self) -> None:
        """Open a connection, with a request that costs nothing."""
        with suppress(Exception):
            async with asyncio.timeout(WARM_UP_S):
                await self._http.get("models")

    async def aclose(self) -> None:
        with suppress(Exception):
            await self._http.aclose()

    def price(self, sent: int, received: int) -> float | None:
        """Dollars of so many tokens; None where nobody knows."""
        return self._cost(Tokens(asked=sent, cached=0, answered=received))

    def _cost(self, tokens: Tokens) -> float | None:
        """In dollars; None where nobody knows it."""
        if not self._is_priced:
            return None
        with suppress(Exception):  # nobody knows the price of a model of one's own
            return _price(self.name, self._url, tokens)
        return None


async def _refusal(response: httpx.Response) -> str:
    """The vendor's word and the HTTP status."""
    body = b""
    async for some in response.aiter_bytes():
        body += some
        if len(body) > MAX_ERROR:
            break
    word = None
    with suppress(msgspec.DecodeError, UnicodeDecodeError, AttributeError):
        told = msgspec.json.decode(body)
        word = word_of(told.get("error")) or word_of(told)
    return f"{word} (HTTP {response.status_code})" if word else f"HTTP {response.status_code}"


def _price(model: str, url: str, tokens: Tokens) -> float:
    """In dollars. Raises LookupError, or whatever else the library does."""
    from genai_prices import Usage, calc_price

    usage = Usage(input_tokens=tokens.asked, cache_read_tokens=tokens.cached, output_tokens=tokens.answered)
    try:
        price = calc_price(usage, model, provider_api_url=url)
    except LookupError:
        price = calc_price(usage, model, provider_id="openai")
    return float(price.total_price)
