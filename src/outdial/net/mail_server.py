"""A mail server, by its URL. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parseaddr
from enum import StrEnum
from typing import Self
from urllib.parse import unquote, urlsplit


class Security(StrEnum):
    TLS = "smtps"             # from the first byte
    STARTTLS = "smtp"         # and never without
    NONE = "smtp+plain"       # for a relay on this machine or in this network


_PORTS: Mapping[Security, int] = {Security.TLS: 465, Security.STARTTLS: 587, Security.NONE: 25}


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    host: str
    port: int
    security: Security
    user: str | None = field(repr=False)
    password: str | None = field(repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Of `smtps://user:password@mail.example.com:465`. Raises ValueError without what is written."""
        try:
            parts = urlsplit(url)
            security = Security(parts.scheme)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise ValueError("must be smtps://, smtp:// (STARTTLS) or smtp+plain://, with a host") from None
        if not host or parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError("must be smtps://, smtp:// (STARTTLS) or smtp+plain://, with a host and nothing after it")
        user = None if parts.username is None else unquote(parts.username)
        password = None if parts.password is None else unquote(parts.password)
        if (user is None) != (password is None):
            raise ValueError("needs both user and password, or neither; %40 is an @ in them")
        if user is not None and security is Security.NONE and host not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError("would send the password as it is: use smtps:// or smtp://")
        return cls(host=host, port=port or _PORTS[security], security=security, user=user, password=password)


def check_sender(text: str) -> None:
    """An address, or one with a name before it. Raises ValueError."""
    address = parseaddr(text)[1]
    name, _, domain = address.rpartition("@")
    if not text.isprintable() or not name or not domain or any(letter.isspace() for letter in address):
        raise ValueError("must be an e-mail address, or one with a name: Outdial <alerts@example.com>")
