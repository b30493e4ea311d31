"""What models cost a workspace a day, and how much that may be."""

from sqlalchemy import BigInteger, Column, Date, ForeignKey, Numeric, Table, Text

from outdial.db.metadata import metadata

# No row: no limit. None: no limit of that kind.
spend_limits = Table(
    "spend_limits",
    metadata,
    Column("workspace_id", Text, ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True),
    Column("dollars", Numeric),
    Column("tokens", BigInteger),
)

# Of a day of UTC, as models' answers come.
model_spend = Table(
    "model_spend",
    metadata,
    Column("workspace_id", Text, ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("tokens", BigInteger, nullable=False),
    Column("estimated_tokens", BigInteger, nullable=False),  # of `tokens`, those that nobody has told us
    Column("dollars", Numeric, nullable=False),  # where the model's price is known
)
