"""How long workspaces keep what their calls brought, and what has to go for good."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from outdial.db.metadata import instant, metadata

# Days after a call's end, 0: for ever. One row for a workspace, and one for an agent of it that has its own.
retention_rules = Table(
    "retention_rules",
    metadata,
    Column("subject_id", Text, primary_key=True),  # the workspace's, or the agent's
    Column("workspace_id", Text, ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False),
    Column("agent_id", Text, ForeignKey("agents.id", ondelete="CASCADE")),  # None: of the whole workspace
    Column("recordings_days", Integer),   # None: of an agent, as its workspace has it
    Column("transcripts_days", Integer),
    Column("details_days", Integer),
    Column("callbacks_days", Integer),    # of a workspace alone; None: as long as the server does
    # {"recordings_days", …}: the days before the last change, until a run has gone by the new ones.
    Column("before", JSONB(none_as_null=True)),
    instant("changed_at", now=True),
    Column("callbacks_until", DateTime(timezone=True)),  # those of calls that ended by then are gone
    Index("ix_retention_rules_workspace_id", "workspace_id"),
)

# Numbers whose holder wants everything of them gone. The number stays until that is done.
erasures = Table(
    "erasures",
    metadata,
    Column("id", Text, primary_key=True),
    Column("workspace_id", Text, ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False),
    Column("number", Text),  # E.164; None: it is done
    Column("hint", Text, nullable=False),
    Column("calls", Integer, nullable=False, server_default="0"),  # erased, or freed of the number, so far
    Column("actor_kind", Text, nullable=False),  # who wanted it, as in audit_log
    Column("actor_id", Text, nullable=False),
    Column("actor_name", Text, nullable=False),
    instant("wanted_at", now=True),
    instant("finished_at"),
    Index("ix_erasures_workspace_id", "workspace_id", "wanted_at"),
    Index("ix_erasures_unfinished", "wanted_at", postgresql_where=text("finished_at IS NULL")),
)

# Calls whose recordings lie on a disk, of whichever host, or in the store, and are to go from there.
recording_removals = Table(
    "recording_removals",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("workspace_id", Text, nullable=False),
    Column("call_id", Text, nullable=False),
    instant("at", now=True),
    Column("in_store", Boolean, nullable=False, server_default=text("true")),  # false: gone from there
    Index("ix_recording_removals_at", "at"),
    Index("ix_recording_removals_in_store", "id", postgresql_where=text("in_store")),
)

# Entries of the do-not-call list whose number was erased: a number is still known by its keyed hash.
erased_entries = Table(
    "erased_entries",
    metadata,
    Column("workspace_id", Text, ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True),
    Column("number_hash", LargeBinary, primary_key=True),  # HMAC-SHA256
    Column("source", Text, nullable=False),
    Column("call_id", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    instant("erased_at", now=True),
)

# The key of a workspace's hashes, encrypted as carrier credentials are. No row: nothing was hashed yet.
number_keys = Table(
    "number_keys",
    metadata,
    Column("workspace_id", Text, ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
)
