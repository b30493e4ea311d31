"""A client generated from the served document, by a generator that isn't ours, places a call and reads it back."""

import asyncio
import importlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from openapi_python_client import generate
from openapi_python_client.config import Config, ConfigFile, MetaType

from end_to_end.world import HUMAN, PATIENCE_S, Customer, World
from outdial.metrics import REGISTRY

LASTS_S = 10
PACKAGE = "client_of_ours"
CONFIG = ConfigFile(
    package_name_override=PACKAGE,
    post_hooks=[],
    # The generator knows text and bytes beside JSON and forms; these two are bytes to it.
    content_type_overrides={"audio/wav": "application/octet-stream", "text/csv": "application/octet-stream"},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    document: dict[str, Any]
    complaints: list[Any]  # of the generator
    generated: set[str]    # operations
    placed: Any
    repeated: Any
    call: Any
    recording: bytes
    missing: Any           # asked for a call that isn't there
    counted: set[str]      # what Prometheus is told of, and isn't nothing


async def play(world: World) -> Used:
    customer = await world.customer()
    async with httpx.AsyncClient(base_url=world.base_url, trust_env=False) as http:
        document = (await http.get("/openapi.json")).json()
    folder = world.folder / "generated"
    folder.mkdir()
    complaints = await asyncio.to_thread(generate_client, document, folder)
    generated = {path.stem for path in (folder / PACKAGE / "api").glob("*/*.py")} - {"__init__"}
    sys.path.insert(0, str(folder))
    try:
        used = await use(lambda name: importlib.import_module(f"{PACKAGE}.{name}"), document, customer)
    finally:
        sys.path.remove(str(folder))
    return Used(document=document, complaints=complaints, generated=generated, **used)


def generate_client(document: dict[str, Any], folder: Path) -> list[Any]:
    """What the generator says against the document."""
    source = folder / "openapi.json"
    source.write_text(json.dumps(document))
    config = Config.from_sources(
        CONFIG, MetaType.NONE, source, file_encoding="utf-8", overwrite=False, output_path=folder / PACKAGE
    )
    return list(generate(config=config))


async def use(module: Callable[[str], ModuleType], document: dict[str, Any], customer: Customer) -> dict[str, Any]:
    place_call = module("api.outbound_calls.place_call").asyncio
    get_call = module("api.calls.get_call").asyncio
    models = module("models")
    variables = models.OutboundRequestVariablesType0.from_dict({"user_name": "Jane"})
    client = module("client").AuthenticatedClient(
        base_url=document["servers"][0]["url"],
        token=customer.key,
        httpx_args={"trust_env": False},
        raise_on_unexpected_status=True,
    )
    request = {
        "client": client,
        "number_id": customer.number_id,
        "body": models.OutboundRequest(to=HUMAN, variables=variables),
        "idempotency_key": "order-4711",
    }
    async with client, asyncio.timeout(PATIENCE_S):
        placed, repeated = await place_call(**request), await place_call(**request)
        await customer.follow(placed.call_id)
        call = await get_call(client=client, call_id=placed.call_id)
        recording = await module("api.calls.get_recording").asyncio(client=client, call_id=placed.call_id)
        missing = await get_call(client=client, call_id="call_unknown")
    return {
        "placed": placed,
        "repeated": repeated,
        "call": call,
        "recording": recording.payload.read(),
        "missing": missing,
        "counted": {one.name for family in REGISTRY.collect() for one in family.samples if one.value > 0},
    }


@pytest.fixture
def used(outcome: Used) -> Used:
    return outcome


def test_the_generator_has_nothing_against_the_document_and_leaves_nothing_out(used: Used):
    assert used.complaints == []
    assert used.generated == {
        operation["operationId"] for item in used.document["paths"].values() for operation in item.values()
    }


def test_a_call_is_placed_once_and_read_to_its_end(used: Used):
    assert used.repeated == used.placed
    call = used.call
    assert (call.id, call.to, call.state, call.end_reason) == (used.placed.call_id, HUMAN, "ended", "completed")
    assert call.variables.to_dict() == {"user_name": "Jane"}
    assert "Hello Jane, this is a test call." in [turn.text for turn in call.transcript]


def test_audio_comes_as_bytes(used: Used):
    assert used.recording.startswith(b"RIFF")


def test_a_refusal_is_a_problem_with_its_code(used: Used):
    assert (type(used.missing).__name__, used.missing.status, used.missing.code) == ("Problem", 404, "call_not_found")


def test_the_call_was_counted(used: Used):
    times = {f"outdial_{name}_seconds_count" for name in (
        "answer", "pacer_late", "voice_detection", "recognition_wait", "event_loop_late"
    )}  # fmt: skip
    assert times <= used.counted
    assert {"outdial_calls_ended_total", "outdial_attempts_ended_total", "outdial_callbacks_total"} <= used.counted
