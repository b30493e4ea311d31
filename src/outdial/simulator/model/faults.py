"""What goes wrong with one answer of a model. Pure: a fault changes the answer, its chunks, or when they are sent."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from outdial.simulator.faults import Fault, FaultKind, Faults
from outdial.simulator.model import errors
from outdial.simulator.model.completion import Completion
from outdial.simulator.model.errors import Refused
from outdial.simulator.model.requests import ToolCall
from outdial.simulator.model.rules import NewId
from outdial.simulator.model.wire import Chunk, Part

OF_A_CALL = frozenset(  # kinds that strike only answers that call a tool, and wait for one otherwise
    {
        FaultKind.MODEL_BROKEN_ARGUMENTS,
        FaultKind.MODEL_WRONG_ARGUMENTS,
        FaultKind.MODEL_CALL_AS_TEXT,
        FaultKind.MODEL_CALLS_WHOLE,
        FaultKind.MODEL_CALLS_UNNUMBERED,
        FaultKind.MODEL_CALLS_UNNAMED,
        FaultKind.MODEL_STOP_AFTER_CALLS,
    }
)
KINDS = tuple(kind for kind in FaultKind if kind.startswith("model_"))
MOST_PIECES = 100_000  # of an endless answer that nobody leaves
NONSENSE = "Florp brindle 7 zzkt, the the quarvex of mimsy — ¿wabe? 漢 borogrove ]] outgrabe."

Struck = Mapping[FaultKind, Fault]  # what goes wrong with this answer


def strike(faults: Faults, model: str, completion: Completion) -> Struck:
    """Uses up what strikes."""
    struck: dict[FaultKind, Fault] = {}
    for kind in KINDS:
        if kind not in OF_A_CALL or completion.tool_calls:
            fault = faults.strike_model(kind, model=model, rule=completion.rule)
            if fault is not None:
                struck[kind] = fault
    return struck


def refusal(struck: Struck) -> Refused | None:
    """The error that is answered instead."""
    for kind, fault in struck.items():
        match kind:
            case FaultKind.MODEL_THROTTLED:
                return errors.throttled(fault.delay_s)
            case FaultKind.MODEL_OUT_OF_QUOTA:
                return errors.out_of_quota()
            case FaultKind.MODEL_ERROR:
                return errors.failed(fault.status)
    return None


def bent(completion: Completion, struck: Struck, new_id: NewId) -> Completion:
    """What the model says instead of what it should have said."""
    for kind, fault in struck.items():
        match kind:
            case FaultKind.MODEL_EMPTY:
                completion = replace(completion, text="", reasoning="", refusal="", tool_calls=(), finish="stop")
            case FaultKind.MODEL_NONSENSE:
                completion = replace(completion, text=NONSENSE, refusal="", tool_calls=(), finish="stop")
            case FaultKind.MODEL_UNDECLARED_TOOL:
                call = ToolCall(id=new_id(), name=fault.tool or "open_the_vault", arguments="{}")
                completion = replace(completion, tool_calls=(call,), finish="tool_calls")
            case FaultKind.MODEL_BROKEN_ARGUMENTS:
                completion = _called(completion, lambda call: call.arguments[: max(1, len(call.arguments) // 2)])
            case FaultKind.MODEL_WRONG_ARGUMENTS:
                completion = _called(completion, lambda call: '{"colour": ["blue", 7], "": null}')
            case FaultKind.MODEL_CALL_AS_TEXT:
                completion = _as_text(completion)
            case FaultKind.MODEL_STOP_AFTER_CALLS:
                completion = replace(completion, finish="stop")
    return completion


def _called(completion: Completion, arguments: Callable[[ToolCall], str]) -> Completion:
    calls = tuple(replace(call, arguments=arguments(call)) for call in completion.tool_calls)
    return replace(completion, tool_calls=calls)


def _as_text(completion: Completion) -> Completion:
    """As a server writes it that has no parser for its model."""
    calls = "".join(
        f'\n<tool_call>\n{{"name": {json.dumps(call.name)}, "arguments": {call.arguments}}}\n</tool_call>'
        for call in completion.tool_calls
    )
    return replace(completion, text=(completion.text + calls).strip(), tool_calls=(), finish="stop")


def lengthened(chunks: Iterable[Chunk], struck: Struck) -> Iterator[Chunk]:
    """The chunks, or those of an answer without end."""
    fault = struck.get(FaultKind.MODEL_ENDLESS)
    pieces = 0
    for chunk in chunks:
        yield chunk
        if fault is not None and chunk.part is Part.PIECE:
            pieces += 1
            if pieces >= fault.after_tokens and not chunk.opens_call:
                for _ in range(MOST_PIECES):
                    yield chunk
