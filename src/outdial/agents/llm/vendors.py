"""Models as they are reached: those of servers with OpenAI's interface by chat_server.py, all others by Pydantic AI,
which is imported when the first of them is opened, and not before.

Keys come from the server's own environment, and each goes to the server that it is for: an agent's author chooses among
the servers that the operator names (settings: model_servers), and can't send a key anywhere else.
"""

import asyncio
import logging
import os
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

from outdial.agents.llm.chat import (
    AgentSaid,
    CalleeSaid,
    Message,
    Model,
    ModelFailed,
    Piece,
    Remark,
    Request,
    ToolAnswer,
    ToolCall,
    Usage,
    Words,
)
from outdial.agents.llm.chat_server import ChatServerModel
from outdial.agents.llm.free_talk import ModelName

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage
    from pydantic_ai.models import Model as VendorsModel

logger = logging.getLogger(__name__)

OPENAI = "https://api.openai.com/v1"
OPENAI_KEY = "OPENAI_API_KEY"
WARM_UP_S = 5.0

# Words of models that can't be used here, now or later.
NO_SUCH_SERVER, NO_KEY, SPEAKS = "no_such_server", "no_key_or_library", "speaks_only"
UNUSABLE = frozenset({NO_SUCH_SERVER, NO_KEY, SPEAKS})
_EXTRA = re.compile(r"pydantic-ai-slim\[[a-z-]+\]")
_VARIABLE = re.compile(r"[Ss]et the `([A-Z][A-Z0-9_]*)`")
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class ModelServers:
    """Opens models, each once. `keys`: the OpenAI-compatible servers that agents may use, by base URL, and the key of
    each ("" where it needs none)."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._keys = {url.rstrip("/"): key for url, key in keys.items()}
        self._open: dict[tuple[str, str | None], Model] = {}

    def allows(self, model: ModelName) -> bool:
        """Whether it may be used here, in writing; whether it answers is another matter."""
        if model.speaks:
            return False
        url = _url(model)
        return url is None or url in self._keys or (url == OPENAI and bool(os.environ.get(OPENAI_KEY)))

    def open(self, models: Sequence[ModelName]) -> list[Model]:
        """Takes about a second the first time: not on an event loop that serves calls. One that can't be used here
        fails when it is asked."""
        return [self._opened(model) for model in models]

    async def aclose(self) -> None:
        """Close their connections."""
        for model in self._open.values():
            if isinstance(model, VendorModel | ChatServerModel):
                await model.aclose()

    def _opened(self, model: ModelName) -> Model:
        if model.speaks:
            dollars_for(ModelName(name=model.name), read=1, written=1)  # the price list is read here, not on a call
            return Unusable(model.name, SPEAKS)
        key = (model.name, model.base_url)
        if key not in self._open:
            self._open[key] = self._made(model) if self.allows(model) else Unusable(model.name, NO_SUCH_SERVER)
        return self._open[key]

    def fault(self, model: ModelName) -> str | None:
        """Why it can't be used here, in words for whoever runs this server; None where it can. Takes as long as
        opening it, and asks nobody."""
        if model.speaks:
            return "it speaks, on calls alone"
        if not self.allows(model):
            url = _url(model)
            return f"{OPENAI_KEY} is not set" if url == OPENAI else f"{url} is not in OUTDIAL_MODEL_SERVERS"
        try:
            self._vendors(model)
        except Exception as error:  # whatever that library may raise
            return _missing(model.name, error)
        return None

    def key_for(self, model: ModelName) -> tuple[str | None, str | None]:
        """The base URL of a server with OpenAI's interface and its key; None where it has none, or needs none."""
        url = _url(model)
        key = None if url is None else self._keys.get(url) or (os.environ.get(OPENAI_KEY) if url == OPENAI else None)
        return url, key or None

    def _made(self, model: ModelName) -> Model:
        try:
            return self._vendors(model)
        except Exception as error:  # no key, its library isn't installed, or whatever else that library may raise
            logger.warning("Model not opened", extra={"model": model.name, "error": type(error).__name__})
            return Unusable(model.name, NO_KEY)

    def _vendors(self, model: ModelName) -> Model:
        url, key = self.key_for(model)
        if url is not None:
            return ChatServerModel(model.name.removeprefix("openai:"), url, key)
        from pydantic_ai.models import infer_model

        return VendorModel(infer_model(model.name))


def dollars_for(model: ModelName, *, read: int, written: int) -> float | None:
    """What so many tokens cost; None where nobody knows, as of a server of one's own."""
    if model.base_url is not None:
        return None
    vendor, colon, name = model.name.partition(":")
    with suppress(Exception):
        from genai_prices import Usage as Tokens
        from genai_prices import calc_price

        tokens = Tokens(input_tokens=read, output_tokens=written)
        provider = vendor if colon else "openai"
        return float(calc_price(tokens, model_ref=name or vendor, provider_id=provider).total_price)
    return None


def _missing(name: str, error: Exception) -> str:
    """What Pydantic AI misses: the vendor, its library, or a key in the environment."""
    words = str(error)
    if isinstance(error, ImportError):
        extra = _EXTRA.search(words)
        install = f': pip install "{extra[0]}"' if extra else ""
        if (error.name or "").partition(".")[0] == "pydantic_ai":  # itself
            install = ': pip install "outdial[vendors]"'
        return f"the library for {name.partition(':')[0]} isn't installed{install}"
    if variable := _VARIABLE.search(words):
        return f"{variable[1]} is not set"
    if "Unknown model" in words:
        return f"no vendor is named {name.partition(':')[0]!r}"
    return f"it can't be opened ({type(error).__name__})"


def _url(model: ModelName) -> str | None:
    """Of the server; None for a vendor that Pydantic AI knows, whose key is in the environment, too."""
    if model.base_url is not None:
        return model.base_url
    vendor, colon, _ = model.name.partition(":")
    return OPENAI if not colon or vendor == "openai" else None


class Unusable:
    """A model that this server can't use."""

    def __init__(self, name: str, why: str) -> None:
        self.name = name
        self._why = why

    async def ask(self, request: Request) -> AsyncGenerator[Piece]:
        raise ModelFailed(self._why)
        yield  # pragma: no cover

    async def warm_up(self) -> None: ...


class VendorModel:
    """A model of Pydantic AI's."""

    def __init__(self, model: "VendorsModel") -> None:
        self.name = model.model_name
        self._model = model

    async def ask(self, request: Request) -> AsyncGenerator[Piece]:
        from pydantic_ai.exceptions import AgentRunError, UserError

        try:
            async with aclosing(self._pieces(request)) as pieces:
                async for piece in pieces:
                    yield piece
        except (AgentRunError, UserError) as error:
            raise ModelFailed(_word(error)) from error
        except Exception as error:  # whatever a vendor's library lets through: a fallback may still answer
            raise ModelFailed(type(error).__name__) from error

    async def _pieces(self, request: Request) -> AsyncGenerator[Piece]:
        from pydantic_ai.direct import model_request_stream
        from pydantic_ai.messages import PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta, ToolCallPart
        from pydantic_ai.models import ModelRequestParameters
        from pydantic_ai.settings import ModelSettings
        from pydantic_ai.tools import ToolDefinition

        tools = [
            ToolDefinition(name=tool.name, description=tool.about, parameters_json_schema=dict(tool.parameters))
            for tool in request.tools
        ]
        settings = ModelSettings(max_tokens=request.max_tokens, timeout=request.first_s + request.gap_s)
        settings["max_retries"] = 0  # of the vendor's library, in silence
        async with model_request_stream(
            self._model,
            _messages(request),
            model_settings=settings,
            model_request_parameters=ModelRequestParameters(function_tools=tools),
        ) as stream:
            async for event in stream:
                match event:
                    case PartStartEvent(part=TextPart(content=text)):
                        yield Words(text)
                    case PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
                        yield Words(text)
                    case _:
                        yield Words("")  # it is at work
            response = stream.get()
        for part in response.parts:
            if isinstance(part, ToolCallPart):
                yield ToolCall(part.tool_call_id, part.tool_name, part.args_as_json_str())
        yield _usage(response)

    def price(self, sent: int, received: int) -> float | None:
        """Dollars of so many tokens; None where nobody knows."""
        from pydantic_ai.messages import ModelResponse
        from pydantic_ai.usage import RequestUsage

        response = ModelResponse(
            parts=[],
            usage=RequestUsage(input_tokens=sent, output_tokens=received),
            model_name=self._model.model_name,
            provider_name=self._model.system,
        )
        return _usage(response).dollars

    async def aclose(self) -> None:
        client = getattr(self._model, "client", None)
        if client is not None and hasattr(client, "close"):
            with suppress(Exception):
                await client.close()

    async def warm_up(self) -> None:
        """Open a connection, with a request that costs nothing."""
        client = getattr(self._model, "client", None)
        if client is not None and hasattr(client, "models"):
            with suppress(Exception):
                async with asyncio.timeout(WARM_UP_S):
                    await client.with_options(max_retries=0).models.list()


def _messages(request: Request) -> "list[ModelMessage]":
    """What the vendor's side calls requests and responses take turns, and a request is first."""
    from pydantic_ai.messages import (
        ModelRequest,
        ModelRequestPart,
        ModelResponse,
        ModelResponsePart,
        TextPart,
        ToolCallPart,
        ToolReturnPart,
        UserPromptPart,
    )

    found: list[ModelMessage] = []
    asked: list[ModelRequestPart] = []

    def close() -> None:
        if asked:
            found.append(ModelRequest(parts=[*asked]))
            asked.clear()

    messages: Sequence[Message] = request.messages
    if not messages or isinstance(messages[0], AgentSaid):
        messages = (Remark("The call has just been answered."), *messages)
    for message in messages:
        match message:
            case CalleeSaid(text=text):
                asked.append(UserPromptPart(content=text))
            case Remark(text=text):
                asked.append(UserPromptPart(content=f"[{text}]"))
            case ToolAnswer(call=call, text=text):
                asked.append(ToolReturnPart(tool_name=call.tool, content=text, tool_call_id=call.id))
            case AgentSaid(text=text, calls=calls):
                close()
                parts: list[ModelResponsePart] = [TextPart(content=text)] if text else []
                parts += [
                    ToolCallPart(tool_name=call.tool, args=call.arguments, tool_call_id=call.id) for call in calls
                ]
                found.append(ModelResponse(parts=parts))
    close()
    last = found[-1]
    if isinstance(last, ModelRequest):
        found[-1] = ModelRequest(parts=last.parts, instructions=request.instructions)
    else:
        found.append(ModelRequest(parts=[UserPromptPart(content="[Go on.]")], instructions=request.instructions))
    return found


def _usage(response: Any) -> Usage:
    dollars = None
    with suppress(Exception):  # nobody knows the price of a model of one's own
        dollars = float(response.cost().total_price)
    tokens = response.usage.total_tokens or 0  # 0: its server doesn't tell
    return Usage(tokens=tokens, dollars=dollars if tokens else None, estimated=not tokens)


def _word(error: Exception) -> str:
    """The vendor's own word and the HTTP status; its sentences may quote the key, or what was said."""
    code = getattr(error, "provider_error_code", None) or getattr(error, "provider_error_type", None)
    word = code if isinstance(code, str) and _WORD.fullmatch(code) else type(error).__name__.removeprefix("_HTTP")
    status = getattr(error, "status_code", None)
    return f"{word} (HTTP {status})" if isinstance(status, int) else word
