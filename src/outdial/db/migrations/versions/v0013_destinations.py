"""Where calls may go, and how many a day. Workspaces keep what they had: the countries of their own numbers, those they
have called and those that their scripts name; and no daily limit.

One pass over the calls, by the database, brings a number for each prefix that was called; what country that is in, only
the numbering plans can tell.
"""

from collections import defaultdict

import sqlalchemy as sa
from alembic import op

from outdial.telephony.numbering import countries_called, country_of, is_country, place_of

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# In North America the area code tells the country; elsewhere no country begins deeper than five digits behind its code.
CALLED = r"""
    SELECT workspace_id, min("from"), min("to") FROM calls
    WHERE direction = 'outbound' AND "to" ~ '^\+[1-9][0-9]{7,14}$'
    GROUP BY workspace_id, left("to", CASE WHEN "to" LIKE '+1%' THEN 5 ELSE 8 END)
"""
OWN = "SELECT workspace_id, e164 FROM numbers"
# Of scripts that are in use or being written: what they transfer to.
NAMED = r"""
    SELECT agents.workspace_id, (regexp_matches(source, '\+[1-9][0-9]{7,14}', 'g'))[1]
    FROM agent_versions JOIN agents ON agents.id = agent_versions.agent_id
    WHERE version = published_version
        OR version = (SELECT max(version) FROM agent_versions AS newer WHERE newer.agent_id = agents.id)
"""


def upgrade() -> None:
    op.add_column("workspaces", sa.Column("daily_limit", sa.Integer(), nullable=True))
    op.create_table(
        "counted_calls",
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_counted_calls_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "day", name=op.f("pk_counted_calls")),
    )
    op.create_table(
        "destinations",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("carrier_account_id", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=True),
        sa.Column("actor_id", sa.Text(), nullable=True),
        sa.Column("actor_name", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_destinations_workspace_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["carrier_account_id"],
            ["carrier_accounts.id"],
            name=op.f("fk_destinations_carrier_account_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_destinations")),
    )
    allowed = _allowed(op.get_bind())
    if allowed:
        insert = "INSERT INTO destinations (workspace_id, destination, source) VALUES (:workspace, :country, :source)"
        op.get_bind().execute(sa.text(insert), allowed)
    for name, columns, where in (
        ("uq_destinations_workspace", ["workspace_id", "destination"], "carrier_account_id IS NULL"),
        ("uq_destinations_account", ["carrier_account_id", "destination"], "carrier_account_id IS NOT NULL"),
    ):
        op.create_index(name, "destinations", columns, unique=True, postgresql_where=sa.text(where))


def _allowed(connection: sa.Connection) -> list[dict[str, str]]:
    own: defaultdict[str, set[str]] = defaultdict(set)
    called: defaultdict[str, set[str]] = defaultdict(set)
    for workspace, number in connection.execute(sa.text(OWN)):
        own[workspace].update(filter(None, [country_of(number)]))
    for workspace, caller, number in connection.execute(sa.text(CALLED)):
        called[workspace].update(_countries(number, caller))
    for workspace, number in connection.execute(sa.text(NAMED)):
        called[workspace].update(_countries(number, number))
    rows = [(workspace, one, "number") for workspace, countries in own.items() for one in countries]
    rows += [(workspace, one, "upgrade") for workspace, all_ in called.items() for one in all_ - own[workspace]]
    return [{"workspace": workspace, "country": one, "source": source} for workspace, one, source in sorted(rows)]


def _countries(number: str, caller: str) -> set[str]:
    """None for what isn't let in without being named; one of those that share a number, for all of them share it."""
    place = place_of(number)
    if place.special is not None:
        return set()
    countries = {place.country} if place.country else countries_called(number, caller)
    return {one for one in countries if is_country(one)}


def downgrade() -> None:
    op.drop_table("destinations")
    op.drop_table("counted_calls")
    op.drop_column("workspaces", "daily_limit")
