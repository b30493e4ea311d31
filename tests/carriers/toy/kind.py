"""The toy, as the registry lists it."""

from collections.abc import Mapping
from datetime import datetime

from carriers.toy import callbacks, mapping
from carriers.toy.account import ToyAccount, ToyCredentials
from carriers.toy.calls import MAX_RING_TIMEOUT_S, ToyCalls
from carriers.toy.numbers import ToyNumbers
from carriers.toy.stream import ToyStream
from outdial.carriers.kind import Capabilities, CarrierKind, CredentialField, Credentials, Region
from outdial.carriers.name import CarrierName


def _account(credentials: Credentials, base_url: str) -> ToyAccount:
    return ToyAccount(ToyCredentials(**credentials), base_url=base_url)


def _verify(
    credentials: Credentials, *, url: str, headers: Mapping[str, str], body: bytes, now: datetime
) -> bool:
    return callbacks.verify(url=url, headers=headers, body=body, key=credentials["key"], now=now)


TOY = CarrierKind(
    name=CarrierName("toy"),
    label="Toy",
    credential_fields=(
        CredentialField(name="name", label="Account", secret=False, example="clinic"),
        CredentialField(name="key", label="Key", where="The toy box.", example="your key"),
    ),
    capabilities=Capabilities(
        ringing_event=True,
        declined=False,
        detection_of_fax=False,
        detection_unsure=False,
        price_in_callback=False,
        idempotent_create=False,
        agent_returns=False,
        warm_transfer=False,
        signed_streams=True,
        max_ring_timeout_s=MAX_RING_TIMEOUT_S,
        calls_per_second=50.0,
    ),
    regions=(Region(name="nursery", place="The nursery", url="https://toy.example"),),
    account_ref=lambda credentials: credentials["name"],
    call_control=lambda credentials, base_url: ToyCalls(_account(credentials, base_url)),
    number_control=lambda credentials, base_url: ToyNumbers(_account(credentials, base_url)),
    stream_codec=ToyStream,
    verify=_verify,
    parse=callbacks.parse,
    reply=callbacks.reply,
    incoming=callbacks.incoming,
    evidence=mapping.EVIDENCE,
)
