"""The token by which a carrier opens the audio of a call that comes in.

It isn't random, because a carrier that asks again must get the same answer, and we keep only the hash.
"""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.calls.claim import stream_token_hash
from outdial.db.tables import attempts
from outdial.workspaces.secrets import SecretBox


def new_token(secret_box: SecretBox, attempt_id: str) -> str:
    return secret_box.derive(_purpose(attempt_id))


async def token_again(conn: AsyncConnection, secret_box: SecretBox, attempt_id: str) -> str:
    """The one that the carrier was told first: while the secret key is rotated, it may have been made with another."""
    first, *others = secret_box.derive_all(_purpose(attempt_id))
    if not others:
        return first
    told = await conn.scalar(select(attempts.c.stream_token_hash).where(attempts.c.id == attempt_id))
    return next((token for token in (first, *others) if stream_token_hash(token) == told), first)


def _purpose(attempt_id: str) -> str:
    return f"media stream of {attempt_id}"
