"""Whether a speech vendor can be used in a workspace, tried with its key as it is now; and which vendors there are."""

import time
from collections.abc import Collection

from typing_extensions import TypedDict

from outdial.agents.own_speech import SpeechVendors
from outdial.refusals import Invalid, NotFound
from outdial.speech.choice import RecognitionChoice
from outdial.speech.recognition_fallback import VendorRecogniser
from outdial.speech.vendor import PriceUnit, Vendor
from outdial.speech.vendors import VENDORS
from outdial.speech.wire.failures import VendorFailed

LANGUAGE = "en-US"


class VendorView(TypedDict):
    """A vendor of speech. `recognition` and `voice`: whether agents can have that of it; `models` are those of its
    recognition that are known here, and there may be more. `secret`: its key, as the workspace's secret of that name;
    `has_key`: whether there is one, or none is needed. `prices`: what its prices are for."""

    name: str
    title: str
    recognition: bool
    voice: bool
    models: list[str]
    secret: str
    has_key: bool
    prices: dict[str, PriceUnit]


class VendorCheck(TypedDict):
    """`works`: the vendor takes calls with this key. Else `fault` says why (`unauthorized`, `no_credit`, `busy`,
    `refused`, `unreachable`, `slow`, …) and `code` is the vendor's own word for it, null without one."""

    vendor: str
    model: str
    works: bool
    fault: str | None
    code: str | None
    took_ms: int


def list_vendors(secrets: Collection[str], with_key: Collection[str]) -> list[VendorView]:
    """`secrets`: the workspace's; `with_key`: vendors that need none of it."""
    return [_view(one, one.key_name in secrets or one.name in with_key) for one in VENDORS.values()]


async def check_recognition(
    vendors: SpeechVendors, workspace_id: str, name: str, *, model: str | None = None
) -> VendorCheck:
    """Opens a session as a call does, sends no audio, and closes it. Raises NotFound, and Invalid for a vendor that
    recognises nothing."""
    vendor = VENDORS.get(name)
    if vendor is None:
        known = ", ".join(VENDORS)
        raise NotFound("speech_vendor_not_found", f"There is no speech vendor {name[:40]!r}; known: {known}.")
    if vendor.recogniser is None:
        raise Invalid("vendor", f"is {vendor.title}, which recognises nothing here")
    model = model or vendor.recogniser.models[0]
    choice = RecognitionChoice(vendor=name, model=model)
    engine = vendor.recogniser.open(choice, vendors.access(workspace_id, name), LANGUAGE)
    assert isinstance(engine, VendorRecogniser)
    began = time.monotonic()
    call = engine.call()
    failure: VendorFailed | None = None
    try:
        await call.check()
    except VendorFailed as failed:
        failure = failed
    finally:
        took_ms = round((time.monotonic() - began) * 1000)
        await call.aclose()
    return VendorCheck(
        vendor=name,
        model=model,
        works=failure is None,
        fault=None if failure is None else failure.fault.value,
        code=None if failure is None else failure.word or None,
        took_ms=took_ms,
    )


def _view(vendor: Vendor, has_key: bool) -> VendorView:
    recogniser, synthesiser = vendor.recogniser, vendor.synthesiser
    prices: dict[str, PriceUnit] = {}
    if recogniser is not None:
        prices["recognition"] = recogniser.unit
    if synthesiser is not None:
        prices["voice"] = synthesiser.unit
    return VendorView(
        name=vendor.name,
        title=vendor.title,
        recognition=recogniser is not None,
        voice=synthesiser is not None,
        models=[] if recogniser is None else list(recogniser.models),
        secret=vendor.key_name,
        has_key=has_key,
        prices=prices,
    )
