"""Whose browser this is: the token of a request's cookie → the person, where they are, and what they may do."""

import base64
import hmac
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import case, func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.db.engine import reading
from outdial.db.tables import members, people, sign_ins
from outdial.members.sign_in import is_alive, is_token, token_hash
from outdial.short_memory import ShortMemory
from outdial.workspaces.access import Principal, Role
from outdial.workspaces.audit import Actor, ActorKind

_SEEN_EVERY = timedelta(minutes=1)  # last_seen_at needs no better resolution, and requests no more writes


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A person in a browser. `needs_password`: has none yet, or came by a link; may set one without the old one.

    `csrf_token` goes into pages and comes back with whatever changes something.
    """

    sign_in_id: str
    person_id: str
    name: str
    email: str
    workspace_id: str
    role: Role
    csrf_token: str
    needs_password: bool
    other_csrf_tokens: tuple[str, ...] = ()  # of pages that were made with another secret key, while it is rotated

    @property
    def principal(self) -> Principal:
        actor = Actor(kind=ActorKind.PERSON, id=self.person_id, name=self.name)
        return Principal(workspace_id=self.workspace_id, actor=actor, grant=self.role)

    def sent_by_our_page(self, csrf_token: str) -> bool:
        """Whether a request that carries this token comes from a page that was made for this sign-in."""
        sent = csrf_token.encode("utf-8", "surrogatepass")
        ours = (self.csrf_token, *self.other_csrf_tokens)
        return any(hmac.compare_digest(token.encode(), sent) for token in ours)


class SignIns:
    """Remembered for a few seconds, as API keys are: what is ended or changed elsewhere holds here for at most `ttl_s`
    longer. Whoever changes something here calls `forget`.

    `csrf_keys` are secrets of the server (SecretBox.derive_all), so CSRF tokens needn't be stored: the first makes
    them, and those of the others are taken, too.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        csrf_keys: Callable[[], Sequence[str]],
        ttl_s: float = 3.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._csrf_keys = csrf_keys
        self._known = ShortMemory[bytes, SignedIn](ttl_s=ttl_s, clock=clock)  # by hash: no token stays in memory

    async def __call__(self, token: str) -> SignedIn | None:
        """None for a token that is unknown, ended or too old."""
        if not is_token(token):
            return None
        digest = token_hash(token)
        return await self._known.get(digest, lambda: self._find(digest, *self._csrf_tokens(token)))

    def forget(self, person_id: str) -> None:
        """What was changed about a person or their sign-ins through this process holds at once."""
        self._known.forget(lambda known: known.person_id == person_id)

    def _csrf_tokens(self, token: str) -> list[str]:
        digests = (hmac.digest(key.encode(), token.encode(), "sha256") for key in self._csrf_keys())
        return [base64.urlsafe_b64encode(digest).decode().rstrip("=") for digest in digests]

    async def _find(self, digest: bytes, csrf_token: str, *other_csrf_tokens: str) -> SignedIn | None:
        here = members.c.workspace_id == sign_ins.c.workspace_id
        async with reading(self._engine) as conn:
            row = (
                await conn.execute(
                    select(
                        sign_ins.c.id.label("sign_in_id"),
                        sign_ins.c.by_link,
                        sign_ins.c.workspace_id.label("was_in"),
                        (sign_ins.c.last_seen_at < func.now() - _SEEN_EVERY).label("unseen_lately"),
                        people,
                        members.c.workspace_id,
                        members.c.role,
                    )
                    .join(people, people.c.id == sign_ins.c.person_id)
                    .join(members, members.c.person_id == people.c.id)
                    .where(sign_ins.c.token_hash == digest, is_alive)
                    # Removed from the workspace it was in: it goes on in another one.
                    .order_by(case((here, 0), else_=1), members.c.created_at, members.c.workspace_id)
                    .limit(1)
                )
            ).one_or_none()
            if row is None:
                return None
            if row.unseen_lately or row.was_in != row.workspace_id:
                await conn.execute(
                    update(sign_ins)
                    .where(sign_ins.c.id == row.sign_in_id)
                    .values(last_seen_at=func.now(), workspace_id=row.workspace_id)
                )
        return SignedIn(
            sign_in_id=row.sign_in_id,
            person_id=row.id,
            name=row.name,
            email=row.email,
            workspace_id=row.workspace_id,
            role=Role(row.role),
            csrf_token=csrf_token,
            other_csrf_tokens=other_csrf_tokens,
            needs_password=row.password_hash is None or row.by_link,
        )
