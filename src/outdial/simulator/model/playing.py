"""What is sent of an answer, and when: steps for the server to take, with times and faults. Nothing is sent here."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from outdial.simulator.model.completion import Completion
from outdial.simulator.model.models import SimulatedModel
from outdial.simulator.model.wire import DONE, Chunk, Json, Part, event


@dataclass(frozen=True, slots=True)
class Wait:
    seconds: float


@dataclass(frozen=True, slots=True)
class Send:
    """`text` is what of the answer's text goes with it."""

    data: bytes
    text: str = ""


Step = Wait | Send


def stream(chunks: Iterable[Chunk], model: SimulatedModel) -> Iterator[Step]:
    wait_s = model.first_token_s
    for chunk in chunks:
        if chunk.part is Part.PIECE:
            yield Wait(wait_s)
            wait_s = model.token_s
        yield Send(event(chunk.data), chunk.text)
    yield Send(event(DONE))


def at_once(whole: Json, completion: Completion, model: SimulatedModel) -> Iterator[Step]:
    """The whole answer, after the time a stream of it would take."""
    yield Wait(model.first_token_s + model.token_s * max(0, completion.tokens - 1))
    yield Send(json.dumps(whole, ensure_ascii=False).encode(), completion.text)
