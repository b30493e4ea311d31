"""The vendors of speech that agents may choose, and whether one takes calls with the workspace's key."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import JSONResponse
from typing_extensions import TypedDict

from outdial.agents.own_speech import SpeechVendors
from outdial.agents.speech_check import VendorCheck, VendorView, check_vendor, list_vendors
from outdial.agents.speech_languages import LanguageView, languages
from outdial.agents.tools.access import kept_secrets
from outdial.api.auth import ApiRoute, Caller
from outdial.api.docs import errors, example
from outdial.api.services import Services, Use
from outdial.db.engine import reading
from outdial.secrets.store import names
from outdial.speech.fallback import Part

router = APIRouter(route_class=ApiRoute, tags=["Agents"])

_VENDOR = {
    "name": "deepgram",
    "title": "Deepgram",
    "recognition": True,
    "voice": True,
    "models": ["nova-3", "flux-general-en"],
    "voices": ["aura-2-thalia-en", "aura-2-lara-de"],
    "voice_models": [],
    "secret": "deepgram_api_key",
    "has_key": True,
    "prices": {"recognition": "audio", "voice": "characters"},
    "dollars": {"recognition": 0.0077, "voice": 0.03},
}
_LANGUAGE = {
    "language": "de",
    "offline": False,
    "reads": False,
    "voices": ["cartesia", "deepgram"],
    "recognition": ["assemblyai", "deepgram"],
}
_CHECK = {
    "vendor": "deepgram",
    "part": "recognition",
    "model": "nova-3",
    "voice": None,
    "works": True,
    "fault": None,
    "code": None,
    "took_ms": 420,
}


class VendorList(TypedDict):
    """`languages`: those whose answers Outdial understands, and by whom each is spoken and listened to."""

    vendors: list[VendorView]
    languages: list[LanguageView]


@router.get(
    "/v1/speech-vendors",
    summary="List speech vendors",
    operation_id="list_speech_vendors",
    description=(
        "Whose voice and recognition an agent may have, with the name of the secret that holds each one's key and "
        "whether it is there; and which languages can be spoken and listened to."
    ),
    response_model=VendorList,
    responses=example({"vendors": [_VENDOR], "languages": [_LANGUAGE]}) | errors(),
)
async def get_vendors(services: Use, caller: Caller) -> JSONResponse:
    async with reading(services.engine) as conn:
        known = await names(conn, caller.workspace_id)
    return JSONResponse(VendorList(vendors=list_vendors(known, _vendors(services)), languages=languages()))


@router.post(
    "/v1/speech-vendors/{vendor}/check",
    summary="Check a speech vendor's key",
    operation_id="check_speech_vendor",
    description=(
        "Opens a session as a call does, and closes it. For recognition no audio is sent, which vendors bill as a "
        "second or nothing; a voice says 'Yes.', which they bill as four characters. What is against it (a wrong key, "
        "no credit, a model that the key may not use) is in the answer."
    ),
    response_model=VendorCheck,
    responses=example(_CHECK)
    | errors(422, s404_speech_vendor_not_found="There is no speech vendor 'acme'; known: deepgram."),
)
async def post_check(
    services: Use,
    caller: Caller,
    vendor: Annotated[str, Path(description="Its name, as agents write it")],
    part: Annotated[
        Part | None, Query(description="By default recognition, where the vendor has it and no `voice` is named")
    ] = None,
    model: Annotated[str | None, Query(max_length=200, description="By default the first that is known here")] = None,
    voice: Annotated[str | None, Query(max_length=200, description="By default one that all customers have")] = None,
) -> JSONResponse:
    vendors, workspace_id = _vendors(services), caller.workspace_id
    return JSONResponse(await check_vendor(vendors, workspace_id, vendor, part=part, model=model, voice=voice))


def _vendors(services: Services) -> SpeechVendors:
    return SpeechVendors(services.settings.speech_servers, kept_secrets(services.engine, services.secret_box))
