"""Whether callees are told that people may listen to their calls."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Table, Text

from outdial.db.metadata import metadata

# No row: as it is where nobody has said anything (workspaces/listening.py).
listening_notices = Table(
    "listening_notices",
    metadata,
    Column("workspace_id", Text, ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True),
    Column("announce", Text, nullable=False),
    Column("text", Text),  # null: the sentence of the agent's language
    CheckConstraint("announce IN ('never', 'on_join', 'at_start')", name="announce"),
)
