"""The account that requests are made with while numbers of it are looked at, or a new one isn't kept yet."""

from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.accounts.store import find_account
from outdial.ids import id_of
from outdial.numbers.new_number import GivenAccount
from outdial.numbers.records import numbers_of
from outdial.refusals import Conflict
from outdial.workspaces.secrets import SecretBox

OTHER_REGION = (
    "other_region",
    "This carrier account is connected already, in another region. Change the account's region, or leave it out here.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountForNumber:
    """As it will be stored. `made`: those of the credentials that connecting made. `url`: where its requests go."""

    id: str
    is_known: bool
    credentials: dict[str, str] = field(repr=False)
    made: frozenset[str]
    region: str | None
    base_url: str | None
    url: str


async def account_for(
    conn: AsyncConnection, secret_box: SecretBox, workspace_id: str, new: GivenAccount
) -> AccountForNumber:
    """With an account that is known already come the credentials we made for its other numbers, and what was chosen
    for it. Raises Conflict for another region than it has."""
    kind = new.kind
    known = await find_account(conn, workspace_id, new.carrier, new.account_ref)
    if known is None:
        return AccountForNumber(
            id=id_of("acct", workspace_id, new.carrier, new.account_ref),
            is_known=False,
            credentials=dict(new.credentials),
            made=frozenset(),
            region=new.region,
            base_url=new.base_url,
            url=kind.api_url(new.region, new.base_url),
        )
    is_elsewhere = known.base_url is not None or kind.region(known.region) != kind.region(new.region)
    if new.region is not None and is_elsewhere:
        raise Conflict(*OTHER_REGION)
    before = secret_box.decrypt(known.sealed_credentials)
    undos = [number.undo for number in await numbers_of(conn, known.id) if number.undo is not None]
    made = {name for undo in undos for name in undo.made if name not in new.credentials}
    chosen = {field.name for field in kind.credential_fields if field.choices and field.name not in new.credentials}
    kept = {name: before[name] for name in made | chosen if name in before}
    base_url = new.base_url or known.base_url
    return AccountForNumber(
        id=known.id,
        is_known=True,
        credentials={**kept, **new.credentials},
        made=frozenset(made & kept.keys()),
        region=known.region,
        base_url=base_url,
        url=kind.api_url(known.region, base_url),
    )
