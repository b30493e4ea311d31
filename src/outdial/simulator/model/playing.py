"""What is sent of an answer, and when: steps for the server to take, with times and faults. Nothing is sent here."""

import json
from collections.abc import Iterable, Iterator

from outdial.simulator.faults import FaultKind
from outdial.simulator.model import errors, wire
from outdial.simulator.model.completion import Completion
from outdial.simulator.model.dialects import spoken
from outdial.simulator.model.faults import Struck, lengthened
from outdial.simulator.model.models import SimulatedModel
from outdial.simulator.model.wire import DONE, Chunk, Json, Part, event
from outdial.simulator.steps import Reset, Step, Wait, Write

BROKEN = b'data: {"id":"chatcmpl-simu\n\n'
COMMENT = b": keep-alive\n\n"
BYTES_AT_A_TIME = 7
CUTS = (
    FaultKind.MODEL_CUT,
    FaultKind.MODEL_RESET,
    FaultKind.MODEL_ERROR_IN_STREAM,
    FaultKind.MODEL_BROKEN_CHUNK,
)


def stream(chunks: Iterable[Chunk], model: SimulatedModel, struck: Struck) -> Iterator[Step]:
    steps = _stream(chunks, model, struck)
    return _split(steps) if FaultKind.MODEL_BYTES_SPLIT in struck else steps


def _stream(chunks: Iterable[Chunk], model: SimulatedModel, struck: Struck) -> Iterator[Step]:
    cut_after = {kind: struck[kind].after_tokens for kind in CUTS if kind in struck}
    pieces = 0
    for chunk in spoken(lengthened(chunks, struck), struck):
        if chunk.part in (Part.PIECE, Part.FINISH):
            for kind, after in cut_after.items():
                if pieces == after or chunk.part is Part.FINISH:
                    yield from _cut(kind, struck)
                    return
        if chunk.part is Part.PIECE or (chunk.part is Part.FINISH and not pieces):
            yield Wait(_pause_s(pieces, model, struck))
            pieces += 1
        if FaultKind.MODEL_COMMENTS in struck:
            yield Write(COMMENT)
        yield Write(event(chunk.data), chunk.text)
    if FaultKind.MODEL_NO_DONE not in struck:
        yield Write(event(DONE))


def _pause_s(pieces: int, model: SimulatedModel, struck: Struck) -> float:
    """Before the token that follows so many."""
    pause_s = model.token_s if pieces else model.first_token_s
    slow_first = struck.get(FaultKind.MODEL_SLOW_START)
    if slow_first is not None and pieces == 0:
        pause_s += slow_first.delay_s
    slow = struck.get(FaultKind.MODEL_SLOW_TOKENS)
    if slow is not None and pieces >= slow.after_tokens:
        pause_s += slow.delay_s
    stalled = struck.get(FaultKind.MODEL_STALLED)
    if stalled is not None and pieces == stalled.after_tokens:
        pause_s += stalled.delay_s
    return pause_s


def _cut(kind: FaultKind, struck: Struck) -> Iterator[Step]:
    match kind:
        case FaultKind.MODEL_RESET:
            yield Reset()
        case FaultKind.MODEL_ERROR_IN_STREAM:
            yield Write(event(wire.error(errors.failed(struck[kind].status))))
        case FaultKind.MODEL_BROKEN_CHUNK:
            yield Write(BROKEN)


def _split(steps: Iterable[Step]) -> Iterator[Step]:
    for step in steps:
        match step:
            case Write(data, text):
                for start in range(0, len(data), BYTES_AT_A_TIME):
                    yield Write(data[start : start + BYTES_AT_A_TIME], text if not start else "")
            case _:
                yield step


def at_once(whole: Json, completion: Completion, model: SimulatedModel, struck: Struck) -> Iterator[Step]:
    """The whole answer, after the time a stream of it would take; faults that cut a stream leave half of it."""
    for pieces in range(max(1, completion.tokens)):
        yield Wait(_pause_s(pieces, model, struck))
    data = json.dumps(whole, ensure_ascii=False).encode()
    if not any(kind in struck for kind in CUTS):
        yield Write(data, completion.text)
        return
    yield Write(data[: len(data) // 2])
    if FaultKind.MODEL_RESET in struck:
        yield Reset()
