"""A carrier account asked on a user's behalf: opened, checked, and its errors told as refusals."""

import math
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from outdial.carriers.errors import CarrierError, CarrierRefused, CarrierThrottled
from outdial.carriers.http import is_loopback, root_url
from outdial.carriers.kind import Credentials
from outdial.carriers.name import CarrierName
from outdial.carriers.numbers import NumberControl
from outdial.carriers.registry import CARRIERS
from outdial.refusals import Conflict, Invalid, Refusal, Unavailable
from outdial.telephony.failures import FailureCode

RETRY_AFTER_S = 5
INBOUND = "inbound"  # the kind of callback that announces a call

NO_PUBLIC_URL = (
    "no_public_url",
    "Carriers can't reach this server: it has no public https address. Set OUTDIAL_PUBLIC_URL, then connect again.",
)
NOT_OWNED = (
    "number_not_owned",
    "This number does not belong to the carrier account. Give the credentials of the account it belongs to.",
)

OpenNumberControl = Callable[[CarrierName, Credentials, str], NumberControl]  # the last: where its requests go


def open_number_control(carrier: CarrierName, credentials: Credentials, url: str) -> NumberControl:
    """A client of its own, to be closed by the caller."""
    return CARRIERS[carrier].number_control(credentials, url)


@asynccontextmanager
async def opened(
    open_number_control: OpenNumberControl, carrier: CarrierName, credentials: Credentials, url: str
) -> AsyncIterator[NumberControl]:
    """A client for an account whose credentials are right; raises Invalid for wrong ones."""
    client = open_number_control(carrier, credentials, url)
    try:
        with refusals(carrier, field="credentials"):
            await client.check()
        yield client
    finally:
        await client.aclose()


@contextmanager
def refusals(carrier: CarrierName, *, field: str | None = None) -> Iterator[None]:
    """What a carrier's error means to who connects a number; `field`: whose value the carrier refuses."""
    try:
        yield
    except CarrierRefused as error:
        if field is not None:
            raise Invalid(field, error.message) from error
        raise Conflict(error.code, error.message) from error
    except CarrierError as error:
        raise unavailable(carrier, error) from error


def unavailable(carrier: CarrierName, error: CarrierError) -> Refusal:
    retry_after_s = math.ceil(error.retry_after_s) if isinstance(error, CarrierThrottled) else RETRY_AFTER_S
    label = CARRIERS[carrier].label
    return Unavailable(
        FailureCode.CARRIER_UNREACHABLE, f"{label} can't be asked now: {error.message}", max(1, retry_after_s)
    )


def account_url(public_url: str, carrier: CarrierName, account_id: str) -> str:
    """Where a carrier account's callbacks go that belong to no call we placed; their kind is appended."""
    return f"{public_url}/callbacks/{carrier}/accounts/{account_id}"


def callback_urls(public_url: str, carrier: CarrierName, account_id: str) -> dict[str, str]:
    """The two that `connect` at a carrier wants."""
    url = account_url(public_url, carrier, account_id)
    return {"inbound_url": f"{url}/{INBOUND}", "callback_url": url}


def check_place(carrier: CarrierName, region: str | None, base_url: str | None) -> str | None:
    """The base URL as it is kept. Raises Invalid for a region or a URL that isn't good."""
    kind = CARRIERS[carrier]
    if region is not None and kind.region(region) is None:
        names = ", ".join(f"{each.name} ({each.place})" for each in kind.regions)
        raise Invalid("region", f"is not a region of {kind.label}; it has: {names}")
    if base_url is None:
        return None
    if region is not None:
        raise Invalid("region", "can't be given together with a base URL")
    try:
        return root_url(base_url, version=kind.api_version)
    except ValueError as error:
        raise Invalid("base_url", str(error)) from None


def require_public_url(public_url: str, base_url: str | None) -> None:
    """Raises Conflict when no carrier could call us; a simulator on this machine can."""
    simulated = base_url is not None and is_loopback(base_url)
    if not simulated and not public_url.startswith("https://"):
        raise Conflict(*NO_PUBLIC_URL)
