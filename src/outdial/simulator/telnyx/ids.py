"""Telnyx's ids."""

import secrets
import uuid


def call_control_id() -> str:
    return "v3:" + secrets.token_urlsafe(40)


def new_uuid() -> str:
    """Of call legs, sessions, streams, events."""
    return str(uuid.uuid4())


def resource_id() -> str:
    """Of applications, profiles, numbers: a 64-bit integer as text."""
    return str(10**18 + secrets.randbelow(8 * 10**18))
