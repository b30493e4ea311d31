"""Webhooks: endpoints, what is left to be told, what is told, and the deliveries of it."""

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

# Who is told of events: an endpoint of the workspace, or (one row without a URL, made when it is needed) the URLs that
# came with its requests.
webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Text, primary_key=True),
    Column("workspace_id", Text, ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False),
    Column("url", Text),
    Column("events", JSONB(none_as_null=True)),  # ["call.ended", …]; None: all of them
    Column("description", Text),
    Column("headers", LargeBinary),              # {"name": "value"} sent along, encrypted: see workspaces.secrets
    Column("secret", LargeBinary, nullable=False),  # whsec_…, encrypted
    Column("old_secret", LargeBinary),           # signs as well,
    instant("old_secret_until"),                # until then
    instant("paused_at"),                       # by somebody: what is to be told waits
    instant("off_at"),                          # by us, because of
    Column("off_reason", Text),                  # webhooks.endpoints.OffReason
    instant("failing_since"),                   # nothing was accepted since; None: the last delivery was
    instant("created_at", now=True),
    instant("removed_at"),                      # its deliveries stay in the log
    Index("ix_webhooks_workspace_id", "workspace_id"),
    Index("uq_webhooks_requests", "workspace_id", unique=True, postgresql_where=text("url IS NULL")),
)

# What a transaction left to be told: rows are added by triggers of call_events, do_not_call and alerts, and go when
# they have become deliveries (webhooks.outbox). One of event_id, listed_number and alert_id.
webhook_outbox = Table(
    "webhook_outbox",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("workspace_id", Text, nullable=False),
    Column("event_id", BigInteger),   # of call_events
    Column("listed_number", Text),    # of do_not_call
    instant("left_at", now=True),
    # When it is looked at (again): the end of a call waits for what it brought. What an alert has left has "infinity",
    # and is due at once.
    instant("due_at", now=True),
    Column("alert_id", Text),         # of alerts: it was raised, or
    Column("alert_is_cleared", Boolean),  # … cleared
)

# What is told, the same to everybody.
webhook_events = Table(
    "webhook_events",
    metadata,
    Column("id", Text, primary_key=True),
    Column("workspace_id", Text, ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False),
    Column("call_id", Text),          # no foreign key: what was told outlives the call
    Column("type", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("data", Text, nullable=False),  # the JSON of the payload's "data"
    instant("created_at", now=True),
    Index("ix_webhook_events_created_at", "created_at"),
    Index("ix_webhook_events_call_id", "call_id", postgresql_where=text("call_id IS NOT NULL")),
    Index("ix_webhook_events_workspace_id", "workspace_id"),
)

# Who shares a way: an endpoint, or all URLs of a workspace's requests at the same host. Held back together.
webhook_lanes = Table(
    "webhook_lanes",
    metadata,
    Column("lane", Text, primary_key=True),
    Column("webhook_id", Text, ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    Column("failures", Integer, nullable=False, server_default="0"),  # in a row
    instant("hold_until"),           # nothing is sent before
    instant("used_at", now=True),
    Index("ix_webhook_lanes_webhook_id", "webhook_id"),
)

# One event to one endpoint, until it is accepted or given up; and the log of it.
webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("webhook_id", Text, ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    Column("event_id", Text, ForeignKey("webhook_events.id", ondelete="CASCADE"), nullable=False),
    Column("call_id", Text),
    Column("lane", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("sequence", Integer),      # within the call, of what this endpoint is told: 1, 2, …
    Column("state", Text, nullable=False),  # webhooks.deliveries.DeliveryState
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("tries", JSONB, nullable=False, server_default=text("'[]'")),  # webhooks.attempt.Try of each
    instant("created_at", now=True),
    instant("since", now=True),      # its three days began: again when it is sent again by hand
    instant("next_at", now=True),
    Column("owner", Text),            # the sender that has it, until
    instant("lease_until"),
    instant("finished_at"),
    Index("ix_webhook_deliveries_waiting", "lane", "next_at", "id", postgresql_where=text("state = 'waiting'")),
    Index("ix_webhook_deliveries_sending", "lease_until", postgresql_where=text("state = 'sending'")),
    Index(
        "ix_webhook_deliveries_unfinished",
        "webhook_id",
        "since",
        postgresql_where=text("finished_at IS NULL"),
    ),
    Index("ix_webhook_deliveries_call", "call_id", "webhook_id", "sequence"),
    Index("ix_webhook_deliveries_log", "webhook_id", "id"),
    Index("ix_webhook_deliveries_event_id", "event_id"),
)
