"""People: who can sign in. A person is a member of one workspace or more."""

import unicodedata

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.db.tables import people
from outdial.ids import new_id
from outdial.refusals import Invalid
from outdial.workspaces.audit import Actor, record

MAX_EMAIL_CHARS = 254


async def create_person(conn: AsyncConnection, *, email: str, name: str) -> str | None:
    """The id of a new person, who has no password yet; None when the address, in its normal form, is taken."""
    person_id: str | None = await conn.scalar(
        insert(people)
        .values(id=new_id("per"), email=email, name=name)
        .on_conflict_do_nothing()
        .returning(people.c.id)
    )
    return person_id


async def change_person(
    engine: AsyncEngine,
    workspace_id: str,
    person_id: str,
    *,
    email: str | None = None,
    name: str | None = None,
    by: Actor,
) -> None:
    """Change what is given; `workspace_id` is whose audit log tells of it. Raises Invalid (the address)."""
    changes = {"email": None if email is None else normal_email(email), "name": name}
    changes = {field: value for field, value in changes.items() if value is not None}
    if not changes:
        return
    async with engine.begin() as conn:
        try:
            row = (
                await conn.execute(
                    update(people).where(people.c.id == person_id).values(changes).returning(people.c.name)
                )
            ).one()
        except IntegrityError:
            raise Invalid("email", "belongs to somebody else") from None
        await record(
            conn, workspace_id, by, "member.changed", subject_id=person_id, subject_name=row.name, details=changes
        )


def normal_email(text: str) -> str:
    """The one way an address is written here, so that case doesn't matter.

    Raises Invalid for what can't be one. (`operator@localhost` can: nothing is ever sent.)
    """
    email = unicodedata.normalize("NFKC", text.strip()).lower()
    name, _, domain = email.rpartition("@")
    if not (name and domain and email.isprintable() and " " not in email and len(email) <= MAX_EMAIL_CHARS):
        raise Invalid("email", "must be an e-mail address")
    return email
