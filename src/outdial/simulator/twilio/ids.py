"""Twilio's ids: two letters that name the kind, and 32 hex digits."""

import secrets


def new_sid(kind: str) -> str:
    return kind + secrets.token_hex(16)
