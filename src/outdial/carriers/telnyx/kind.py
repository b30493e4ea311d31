"""Telnyx, as the registry lists it."""

from collections.abc import Mapping
from datetime import datetime

from outdial.carriers.kind import Capabilities, CarrierKind, CredentialField, Credentials
from outdial.carriers.name import CarrierName
from outdial.carriers.telnyx import callbacks, mapping, trial
from outdial.carriers.telnyx.account import PREMIUM, STANDARD, TelnyxAccount, TelnyxCredentials
from outdial.carriers.telnyx.answer import RING_TIMEOUT_S
from outdial.carriers.telnyx.calls import TelnyxCalls
from outdial.carriers.telnyx.numbers import TelnyxNumbers
from outdial.carriers.telnyx.regions import REGIONS, VERSION
from outdial.carriers.telnyx.stream import TelnyxStream


def _account(credentials: Credentials, base_url: str) -> TelnyxAccount:
    return TelnyxAccount(TelnyxCredentials(**credentials), base_url=base_url)


def _verify(
    credentials: Credentials, *, url: str, headers: Mapping[str, str], body: bytes, now: datetime
) -> bool:
    # The URL is not signed; a replay at another call's URL names the wrong call control id.
    return callbacks.verify(headers=headers, body=body, public_key=credentials["public_key"], now=now)


TELNYX = CarrierKind(
    name=CarrierName("telnyx"),
    label="Telnyx",
    credential_fields=(
        CredentialField(
            name="api_key",
            label="API key (KEY…)",
            where="Telnyx portal, API keys.",
            example="KEY0123456789",
        ),
        CredentialField(
            name="public_key",
            label="Public key",
            where="Telnyx portal, API keys: Public key. Telnyx signs its callbacks with the other half.",
            secret=False,
            example="rzM6fPPqJwkeIUQwdsqVbVBFtRVVjPRVsBHSwEzhcXc=",
        ),
        CredentialField(
            name="connection_id",
            label="Id of the Call Control application",
            where="A Call Control application you have already (Telnyx portal, Voice). Without one, Outdial makes "
            "one named “Outdial”.",
            secret=False,
            required=False,
        ),
        CredentialField(
            name="detection",
            label="Answering machine detection",
            where="What Telnyx is asked for (and charges) when a call has detection on: premium, or standard, which is "
            "cheaper, takes a fax for a machine and knows voices by their length alone.",
            secret=False,
            required=False,
            choices=(PREMIUM, STANDARD),
        ),
    ),
    capabilities=Capabilities(
        ringing_event=False,
        declined=True,
        detection_of_fax=True,
        detection_unsure=True,
        price_in_callback=True,
        idempotent_create=True,
        agent_returns=True,
        warm_transfer=True,
        signed_streams=False,  # the token in the URL is all there is
        max_ring_timeout_s=RING_TIMEOUT_S[1],
        calls_per_second=30.0,  # counted as 150 in 5 s; Telnyx refuses what is more
    ),
    regions=REGIONS,
    api_version=VERSION,
    account_ref=lambda credentials: credentials["public_key"],
    call_control=lambda credentials, base_url: TelnyxCalls(_account(credentials, base_url)),
    number_control=lambda credentials, base_url: TelnyxNumbers(_account(credentials, base_url)),
    stream_codec=TelnyxStream,
    verify=_verify,
    parse=callbacks.parse,
    reply=callbacks.reply,
    incoming=callbacks.incoming,
    evidence=mapping.EVIDENCE,
    trial_signer=trial.signer,
)
