"""Twilio, as the registry lists it."""

from collections.abc import Mapping
from datetime import datetime

from outdial.carriers.kind import Capabilities, CarrierKind, CredentialField, Credentials
from outdial.carriers.name import CarrierName
from outdial.carriers.twilio import callbacks, mapping, trial
from outdial.carriers.twilio.account import TwilioAccount, TwilioCredentials
from outdial.carriers.twilio.calls import MAX_RING_TIMEOUT_S, TwilioCalls
from outdial.carriers.twilio.numbers import TwilioNumbers
from outdial.carriers.twilio.regions import REGIONS
from outdial.carriers.twilio.stream import TwilioStream


def _account(credentials: Credentials, base_url: str) -> TwilioAccount:
    return TwilioAccount(TwilioCredentials(**credentials), base_url=base_url)


def _verify(
    credentials: Credentials, *, url: str, headers: Mapping[str, str], body: bytes, now: datetime
) -> bool:
    tokens = TwilioCredentials(**credentials).signing_tokens  # no time is signed: `now` says nothing here
    return callbacks.verify(url=url, headers=headers, body=body, tokens=tokens)


TWILIO = CarrierKind(
    name=CarrierName("twilio"),
    label="Twilio",
    credential_fields=(
        CredentialField(
            name="account_sid",
            label="Account SID (AC…)",
            where="Twilio console, start page: Account SID.",
            secret=False,
            example="AC0123456789abcdef0123456789abcdef",
        ),
        CredentialField(
            name="auth_token",
            label="Auth token",
            where="Twilio console, start page: Auth Token, the primary one. Needed also with an API key: Twilio "
            "signs its callbacks with it.",
            example="your auth token",
        ),
        CredentialField(
            name="next_auth_token",
            label="Secondary auth token",
            where="Only while you rotate the auth token: the secondary one.",
            required=False,
        ),
        CredentialField(
            name="api_key",
            label="API key SID (SK…)",
            where="Twilio console, API keys & tokens. With it, requests use the key instead of the auth token.",
            secret=False,
            required=False,
        ),
        CredentialField(
            name="api_secret",
            label="API key secret",
            where="Shown once by Twilio when the API key is made.",
            required=False,
        ),
    ),
    capabilities=Capabilities(
        ringing_event=True,
        declined=False,  # only where the network's own code comes through
        detection_of_fax=True,
        detection_unsure=True,
        price_in_callback=False,
        idempotent_create=False,
        agent_returns=True,
        warm_transfer=True,
        signed_streams=True,
        max_ring_timeout_s=MAX_RING_TIMEOUT_S,
        calls_per_second=1.0,  # Twilio queues what is more, and may then dial hours later
    ),
    regions=REGIONS,
    numbers_per_region=True,
    api_version="/2010-04-01",
    account_ref=lambda credentials: credentials["account_sid"],
    call_control=lambda credentials, base_url: TwilioCalls(_account(credentials, base_url)),
    number_control=lambda credentials, base_url: TwilioNumbers(_account(credentials, base_url)),
    stream_codec=TwilioStream,
    verify=_verify,
    parse=callbacks.parse,
    reply=callbacks.reply,
    incoming=callbacks.incoming,
    evidence=mapping.EVIDENCE,
    trial_signer=trial.signer,
)
