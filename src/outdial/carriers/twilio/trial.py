"""A callback as Twilio sends and signs it, for who tries the way of callbacks.

Pure. Source: twilio.com/docs/usage/security
"""

import hmac
import secrets
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha1
from urllib.parse import urlencode

from outdial.carriers.signing import SignedCallback, TrialSigner

SIGNATURE = "X-Twilio-Signature"
FORM = {"CallStatus": "completed", "From": "+15550100", "StirVerstat": "TN-Validation-Passed-A", "To": "+15550101"}


def signer() -> TrialSigner:
    token = secrets.token_hex(16)

    def callback(url: str, now: datetime) -> SignedCallback:
        signed = url + "".join(name + value for name, value in sorted(FORM.items()))
        headers = {"Content-Type": "application/x-www-form-urlencoded", SIGNATURE: _signature(token, signed)}
        return SignedCallback(headers=headers, body=urlencode(FORM).encode())

    def handshake(url: str, now: datetime) -> Mapping[str, str]:
        return {SIGNATURE: _signature(token, url)}

    credentials = {"account_sid": "AC" + secrets.token_hex(16), "auth_token": token}
    return TrialSigner(credentials=credentials, callback=callback, handshake=handshake)


def _signature(token: str, text: str) -> str:
    return b64encode(hmac.digest(token.encode(), text.encode(), sha1)).decode()
