"""The vendors of speech that agents may choose, and whether one takes calls with the workspace's key."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import JSONResponse
from typing_extensions import TypedDict

from outdial.agents.own_speech import SpeechVendors
from outdial.agents.speech_check import VendorCheck, VendorView, check_recognition, list_vendors
from outdial.agents.tools.access import kept_secrets
from outdial.api.auth import ApiRoute, Caller
from outdial.api.docs import errors, example
from outdial.api.services import Services, Use
from outdial.db.engine import reading
from outdial.secrets.store import names

router = APIRouter(route_class=ApiRoute, tags=["Agents"])

_VENDOR = {
    "name": "deepgram",
    "title": "Deepgram",
    "recognition": True,
    "voice": True,
    "models": ["nova-3", "flux-general-en"],
    "secret": "deepgram_api_key",
    "has_key": True,
    "prices": {"recognition": "audio", "voice": "characters"},
}
_CHECK = {"vendor": "deepgram", "model": "nova-3", "works": True, "fault": None, "code": None, "took_ms": 420}


class VendorList(TypedDict):
    vendors: list[VendorView]


@router.get(
    "/v1/speech-vendors",
    summary="List speech vendors",
    operation_id="list_speech_vendors",
    description=(
        "Whose voice and recognition an agent may have, with the name of the secret that holds each one's key and "
        "whether it is there."
    ),
    response_model=VendorList,
    responses=example({"vendors": [_VENDOR]}) | errors(),
)
async def get_vendors(services: Use, caller: Caller) -> JSONResponse:
    async with reading(services.engine) as conn:
        known = await names(conn, caller.workspace_id)
    return JSONResponse(VendorList(vendors=list_vendors(known, _vendors(services).with_key)))


@router.post(
    "/v1/speech-vendors/{vendor}/check",
    summary="Check a speech vendor's key",
    operation_id="check_speech_vendor",
    description=(
        "Opens a session for recognition as a call does, sends no audio, and closes it; vendors bill that as a second "
        "or nothing. What is against it (a wrong key, no credit, a model that the key may not use) is in the answer."
    ),
    response_model=VendorCheck,
    responses=example(_CHECK)
    | errors(422, s404_speech_vendor_not_found="There is no speech vendor 'acme'; known: deepgram."),
)
async def post_check(
    services: Use,
    caller: Caller,
    vendor: Annotated[str, Path(description="Its name, as agents write it")],
    model: Annotated[str | None, Query(max_length=200, description="By default the first that is known here")] = None,
) -> JSONResponse:
    return JSONResponse(await check_recognition(_vendors(services), caller.workspace_id, vendor, model=model))


def _vendors(services: Services) -> SpeechVendors:
    return SpeechVendors(services.settings.speech_servers, kept_secrets(services.engine, services.secret_box))
