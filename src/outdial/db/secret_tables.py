"""The secrets of workspaces, for the tools of their agents."""

from sqlalchemy import Column, ForeignKey, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from outdial.db.metadata import instant, metadata

secrets = Table(
    "secrets",
    metadata,
    Column("workspace_id", Text, ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),  # with the secret key, as carrier credentials are
    Column("hosts", JSONB(none_as_null=True)),  # where alone it may be sent; None: wherever an agent says
    instant("set_at", now=True),
    Column("set_by_kind", Text, nullable=False),
    Column("set_by_id", Text, nullable=False),
    Column("set_by_name", Text, nullable=False),
)
