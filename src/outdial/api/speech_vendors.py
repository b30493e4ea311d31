"""The vendors of speech that agents may choose, and whether one takes calls with the workspace's key."""

import logging
import math
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Body, Path, Query
from fastapi.responses import JSONResponse, Response
from pydantic import Field
from typing_extensions import TypedDict

from outdial import clock, metrics
from outdial.agents.own_speech import SpeechVendors
from outdial.agents.speech_check import (
    VendorCheck,
    VendorPart,
    VendorView,
    check_vendor,
    chosen_voice,
    list_vendors,
)
from outdial.agents.speech_languages import LanguageView, languages
from outdial.agents.tools.access import kept_secrets
from outdial.api.auth import ApiRoute, Caller
from outdial.api.docs import errors, example
from outdial.api.scripts import WAV, Prompt, spoken
from outdial.api.services import Services, Use
from outdial.calls.request import CleanText
from outdial.db.engine import reading
from outdial.live.speech_prices import dollars
from outdial.policy.gate import Rule, next_day
from outdial.policy.spending import Spend, add_spend, is_spent_now
from outdial.refusals import LimitReached, Refusal, Unavailable
from outdial.secrets.store import names
from outdial.speech.fallback import VendorVoice

logger = logging.getLogger(__name__)

MOST_CHARS = 500  # of a preview, which a vendor bills

router = APIRouter(route_class=ApiRoute, tags=["Agents"])

_VENDOR = {
    "name": "deepgram",
    "title": "Deepgram",
    "recognition": True,
    "voice": True,
    "realtime": False,
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
    "offline_voice": True,
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


_PROMPT = {"voice": "deepgram/aura-2-lara-de", "language": "de-DE", "text": "Guten Tag, {user_name}."} | {
    "variables": {"user_name": "Frau Sommer"}
}


def _too_much_spent() -> Refusal:
    now = clock.now()
    return LimitReached(
        Rule.SPEND_LIMIT,
        f"Models and previews have cost this workspace today what its spend limit allows (rule {Rule.SPEND_LIMIT}), "
        "and a vendor's voice costs more; the next day begins at midnight UTC. An operator can change the limit: in "
        "the settings under Plan and lines, or with: outdial workspaces change --spend-limit",
        max(1, math.ceil((next_day(now) - now).total_seconds())),
    )


class VoicePrompt(Prompt):
    """`voice`: a vendor's, as agents write it in short: `vendor/voice`."""

    text: Annotated[CleanText, Field(min_length=1, max_length=MOST_CHARS)]
    voice: Annotated[CleanText, Field(min_length=1, max_length=200)]


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
        "second or nothing; a voice says 'Yes.', which they bill as four characters; `part=realtime` opens a session "
        "of a model that hears and speaks itself, and says nothing. What is against it (a wrong key, no credit, a "
        "model that the key may not use) is in the answer."
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
        VendorPart | None, Query(description="By default recognition, where the vendor has it and no `voice` is named")
    ] = None,
    model: Annotated[str | None, Query(max_length=200, description="By default the first that is known here")] = None,
    voice: Annotated[str | None, Query(max_length=200, description="By default one that all customers have")] = None,
) -> JSONResponse:
    vendors, workspace_id = _vendors(services), caller.workspace_id
    return JSONResponse(await check_vendor(vendors, workspace_id, vendor, part=part, model=model, voice=voice))


@router.post(
    "/v1/agents/preview-voice",
    summary="Listen to a vendor's voice",
    operation_id="preview_voice",
    description=(
        "A text by the voice of a vendor's, as a phone plays it: WAV, 8000 Hz, after mu-law. The vendor bills its "
        "characters, so this is for editors and operators, and counts with the previews of prompts. What it costs by "
        "the operator's price list counts for the spend limit of the workspace; beyond that there are no previews."
    ),
    response_class=Response,
    responses=WAV
    | errors(
        413,
        415,
        422,
        s429_too_many_previews="That was a lot of prompts at once. Try again in 2 s.",
        s429_spend_limit=_too_much_spent().message,
        s503_voice_unavailable="The vendor's voice can't speak now: unauthorized.",
    ),
)
async def post_preview(
    services: Use, caller: Caller, body: Annotated[VoicePrompt, Body(openapi_examples={"greeting": {"value": _PROMPT}})]
) -> Response:
    if services.previews is None:
        raise Unavailable("voice_unavailable", "This server has no voice.", 60)
    text, vendors = spoken(body), _vendors(services)
    voice = chosen_voice(vendors, caller.workspace_id, body.voice, body.language)
    assert isinstance(voice, VendorVoice)
    try:
        if await is_spent_now(services.engine, caller.workspace_id):
            raise _too_much_spent()
        wav = await services.previews.wav(caller.workspace_id, text, by=voice)
    finally:
        await voice.aclose()
    used = {"part": VendorPart.VOICE, "vendor": voice.vendor, "characters": len(text)}
    if cost := dollars(used, {voice.vendor: vendors.prices(voice.vendor)}):
        await add_spend(services.engine, caller.workspace_id, Spend(dollars=Decimal(str(cost))))
    extra = {"vendor": voice.vendor, "characters": len(text), "workspace_id": caller.workspace_id}
    logger.info("Voice preview spoken", extra=extra)
    metrics.PREVIEW_CHARACTERS.labels(vendor=voice.vendor).inc(len(text))
    return Response(wav, media_type="audio/wav", headers={"Cache-Control": "no-store"})


def _vendors(services: Services) -> SpeechVendors:
    return SpeechVendors(services.settings.speech_servers, kept_secrets(services.engine, services.secret_box))
