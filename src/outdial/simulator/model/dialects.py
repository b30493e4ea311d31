"""How servers that call themselves compatible differ from the vendor: other chunks for the same answer. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from outdial.simulator.faults import FaultKind
from outdial.simulator.model.faults import Struck
from outdial.simulator.model.wire import Chunk, Json, Part


def spoken(chunks: Iterable[Chunk], struck: Struck) -> Iterator[Chunk]:
    """The chunks as a server with these differences sends them."""
    if FaultKind.MODEL_CALLS_WHOLE in struck:
        chunks = _calls_whole(chunks)
    for chunk in chunks:
        match chunk.part:
            case Part.ROLE if FaultKind.MODEL_NO_ROLE in struck:
                continue
            case Part.PIECE:
                if FaultKind.MODEL_NO_CHOICES in struck:
                    yield Chunk(part=Part.NOTHING, data={**chunk.data, "choices": None})
                chunk = _renamed(chunk, struck)
            case Part.FINISH if FaultKind.MODEL_NO_FINISH in struck:
                if not chunk.delta:
                    continue
                chunk = _with_choice(chunk, finish_reason=None)
            case Part.USAGE if FaultKind.MODEL_NO_USAGE in struck:
                continue
        yield chunk


def _calls_whole(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """A chunk a call; the last one tells why the answer ended, too."""
    calls: list[Chunk] = []
    for chunk in chunks:
        if chunk.call is None and chunk.part is not Part.FINISH:
            yield chunk
        elif chunk.opens_call:
            calls.append(chunk)
        elif chunk.call is not None:
            function = calls[-1].call["function"]  # type: ignore[index]
            piece = chunk.call["function"]["arguments"]
            calls[-1] = _with_call(calls[-1], {"function": {**function, "arguments": function["arguments"] + piece}})
        else:
            yield from calls[:-1]
            if calls:
                finish = chunk.data["choices"][0]["finish_reason"]
                chunk = replace(_with_choice(calls[-1], finish_reason=finish), part=Part.FINISH)
            yield chunk


def _renamed(chunk: Chunk, struck: Struck) -> Chunk:
    if chunk.call is not None and FaultKind.MODEL_CALLS_UNNUMBERED in struck:
        chunk = _with_call(chunk, {"index": 0})
    if chunk.opens_call and FaultKind.MODEL_CALLS_UNNAMED in struck:
        chunk = _with_call(chunk, {"id": ""})
    return chunk


def _with_call(chunk: Chunk, change: Json) -> Chunk:
    return _with_choice(chunk, delta={"tool_calls": [{**(chunk.call or {}), **change}]})


def _with_choice(chunk: Chunk, **change: object) -> Chunk:
    (choice,) = chunk.data["choices"]
    return replace(chunk, data={**chunk.data, "choices": [{**choice, **change}]})
