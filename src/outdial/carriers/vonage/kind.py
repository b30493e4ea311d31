"""Vonage, as the registry lists it."""

from collections.abc import Mapping
from datetime import datetime

from outdial.carriers.kind import Capabilities, CarrierKind, CredentialField, Credentials
from outdial.carriers.name import CarrierName
from outdial.carriers.vonage import callbacks, mapping, trial
from outdial.carriers.vonage.account import VonageAccount, VonageCredentials
from outdial.carriers.vonage.calls import MAX_RING_TIMEOUT_S, VonageCalls
from outdial.carriers.vonage.numbers import VonageNumbers
from outdial.carriers.vonage.regions import REGIONS
from outdial.carriers.vonage.stream import VonageStream


def _account(credentials: Credentials, base_url: str) -> VonageAccount:
    return VonageAccount(VonageCredentials(**credentials), base_url=base_url)


def _verify(
    credentials: Credentials, *, url: str, headers: Mapping[str, str], body: bytes, now: datetime
) -> bool:
    return callbacks.verify(  # the URL is not signed; a replay at another call's URL names the wrong uuid
        headers=headers,
        body=body,
        secret=credentials["signature_secret"],
        api_key=credentials["api_key"],
        application_id=credentials.get("application_id"),
        now=now,
    )


VONAGE = CarrierKind(
    name=CarrierName("vonage"),
    label="Vonage",
    credential_fields=(
        CredentialField(
            name="api_key",
            label="API key",
            where="Vonage dashboard, start page.",
            secret=False,
            example="a1b2c3d4",
        ),
        CredentialField(
            name="api_secret",
            label="API secret",
            where="Vonage dashboard, start page or API settings.",
            example="your API secret",
        ),
        CredentialField(
            name="signature_secret",
            label="Signature secret",
            where="Vonage dashboard, API settings: Signature secret. Another one than the API secret; Vonage "
            "signs its callbacks with it.",
            example="your signature secret",
        ),
        CredentialField(
            name="application_id",
            label="Application id",
            where="A Voice application you have already. Without one, Outdial makes one named “Outdial”.",
            secret=False,
            required=False,
        ),
        CredentialField(
            name="private_key",
            label="Private key of the application (PEM)",
            where="That application's key file, whole, with its BEGIN and END lines.",
            required=False,
            multiline=True,
        ),
    ),
    capabilities=Capabilities(
        ringing_event=True,
        declined=True,
        detection_of_fax=False,
        detection_unsure=False,
        price_in_callback=True,
        idempotent_create=False,
        agent_returns=True,
        warm_transfer=True,
        signed_streams=True,
        max_ring_timeout_s=MAX_RING_TIMEOUT_S,
        calls_per_second=3.0,  # Vonage refuses what is more
    ),
    regions=REGIONS,
    account_ref=lambda credentials: credentials["api_key"],
    call_control=lambda credentials, base_url: VonageCalls(_account(credentials, base_url)),
    number_control=lambda credentials, base_url: VonageNumbers(_account(credentials, base_url)),
    stream_codec=VonageStream,
    verify=_verify,
    parse=callbacks.parse,
    reply=callbacks.reply,
    incoming=callbacks.incoming,
    evidence=mapping.EVIDENCE,
    trial_signer=trial.signer,
)
