"""People: who can sign in. A person is a member of one workspace or more."""

import unicodedata

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.db.tables import people
from outdial.ids import new_id
from outdial.refusals import Invalid

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


def normal_email(text: str) -> str:
    """The one way an address is written here, so that case doesn't matter.

    Raises Invalid for what can't be one. (`operator@localhost` can: nothing is ever sent.)
    """
    email = unicodedata.normalize("NFKC", text.strip()).lower()
    name, _, domain = email.rpartition("@")
    if not (name and domain and email.isprintable() and " " not in email and len(email) <= MAX_EMAIL_CHARS):
        raise Invalid("email", "must be an e-mail address")
    return email
