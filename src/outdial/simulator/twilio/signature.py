"""X-Twilio-Signature, from Twilio's side. Source: twilio.com/docs/usage/security"""

import base64
import hashlib
import hmac
from collections.abc import Iterable
from urllib.parse import urlsplit, urlunsplit


def sign(auth_token: str, url: str, form: Iterable[tuple[str, str]] = ()) -> str:
    """base64(HMAC-SHA1(token, URL and the sorted, distinct fields)); a GET or a websocket has no fields."""
    text = signed_url(url) + "".join(name + value for name, value in sorted(set(form)))
    return base64.b64encode(hmac.new(auth_token.encode(), text.encode(), hashlib.sha1).digest()).decode()


def signed_url(url: str) -> str:
    """The URL as it takes part: without fragment, userinfo, and, when it is TLS, without the port."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme in ("https", "wss") and parts.port is not None:
        host = host.rpartition(":")[0]
    return urlunsplit((parts.scheme, host, parts.path, parts.query, ""))
