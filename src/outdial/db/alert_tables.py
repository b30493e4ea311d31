"""Alerts: what they are found by, a workspace's rules and whom it tells, what was raised, and the e-mails of it."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from outdial.db.metadata import instant, metadata

# Outbound calls by when they ended, replies of agents by how long they took, wishes not to be called again, and what
# carriers charge, in millionths, by when they told: the sum of `count` over all rows. Rows are only added, by triggers
# of `calls` and `do_not_call` and by whoever writes what a conversation brought or a carrier charges, so that nobody
# waits for anybody; calls.ended_counts folds them, and forgets what is older than the longest window. No foreign key:
# they are gone in a day anyway.
ended_counts = Table(
    "ended_counts",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("workspace_id", Text, nullable=False),
    Column("ended_at", DateTime(timezone=True), nullable=False),  # the five minutes in which they ended
    Column("kind", Text, nullable=False),   # answered | unanswered | timed | reply | wish | charge
    Column("key", Text, nullable=False),    # the code of failed calls, of replies the most ms, of charges the currency
    Column("count", BigInteger, nullable=False),  # negative: so many are counted elsewhere now
    Column("folded", Boolean, nullable=False, server_default=text("false")),
    Index("ix_ended_counts_kind", "workspace_id", "kind", "ended_at"),
    Index("ix_ended_counts_old", "ended_at"),  # what is forgotten
    Index("ix_ended_counts_unfolded", "workspace_id", "kind", "ended_at", postgresql_where=text("NOT folded")),
)

# Rules that somebody has changed or added. Of the others there is no row: alerts.defaults has them.
alert_rules = Table(
    "alert_rules",
    metadata,
    Column("workspace_id", Text, ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True),
    Column("id", Text, primary_key=True),  # of a default one its kind, else rule_…
    Column("setting", JSONB(none_as_null=True)),  # alerts.rule.Setting; None: removed, or as it is by default
    Column("before", JSONB(none_as_null=True)),   # the same before the last change, for who wants that undone
    instant("created_at", now=True),
)

# Who gets e-mails of a workspace's alerts, and when not. No row: its operators, at any hour.
alert_settings = Table(
    "alert_settings",
    metadata,
    Column("workspace_id", Text, ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True),
    Column("emails", JSONB(none_as_null=True)),  # ["ops@example.com", …]; None: the operators of the workspace
    Column("quiet_from", Text),                  # 22:00, in the time zone; None: no quiet hours
    Column("quiet_until", Text),
    Column("time_zone", Text, nullable=False, server_default=text("'UTC'")),
    CheckConstraint("(quiet_from IS NULL) = (quiet_until IS NULL)", name="quiet"),
)

# What a rule has found, from when it was raised until it was cleared.
alerts = Table(
    "alerts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("workspace_id", Text, ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False),
    Column("rule_id", Text, nullable=False),
    Column("kind", Text, nullable=False),     # alerts.rule.Kind
    Column("subject", Text, nullable=False, server_default=""),  # a number's or endpoint's id, or a currency
    Column("code", Text),                     # of failures: the rule's; of a number in trouble: its
    Column("figure", Float, nullable=False),  # when it was raised
    Column("threshold", Float),
    Column("window_min", Integer),
    Column("calls", Integer),                 # that the figure is of
    Column("details", JSONB, nullable=False, server_default=text("'{}'")),  # alerts.figures.Figure.details
    Column("now_figure", Float, nullable=False),  # when it was looked at last
    instant("raised_at", now=True),
    instant("cleared_at"),
    Column("cleared_because", Text),          # alerts.evaluate.Cleared
    # A condition is raised once, whoever finds it.
    Index(
        "uq_alerts_raised",
        "workspace_id",
        "rule_id",
        "subject",
        unique=True,
        postgresql_where=text("cleared_at IS NULL"),
    ),
    Index("ix_alerts_raised_at", "workspace_id", "raised_at"),
    Index("ix_alerts_cleared_at", "cleared_at", postgresql_where=text("cleared_at IS NOT NULL")),
)

# E-mails that are to be sent of alerts, a row for each address; written with the alert's change.
alert_mails = Table(
    "alert_mails",
    metadata,
    Column("alert_id", Text, ForeignKey("alerts.id", ondelete="CASCADE"), primary_key=True),
    Column("event", Text, primary_key=True),  # raised | cleared
    Column("address", Text, primary_key=True),
    Column("workspace_id", Text, ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False),
    instant("created_at", now=True),
    instant("due_at", now=True),     # at the end of quiet hours, or of the pause after a failure
    Column("failures", Integer, nullable=False, server_default="0"),
    instant("lease_until"),          # a process is at it
    instant("finished_at"),
    Column("result", Text),           # alerts.mail_queue.MailResult
    Column("error", Text),            # of the last try
    Index("ix_alert_mails_due_at", "due_at", postgresql_where=text("finished_at IS NULL")),
    Index("ix_alert_mails_workspace_id", "workspace_id", "created_at"),
)

# One row: when all rules were evaluated last. Who has locked it evaluates.
alert_clock = Table(
    "alert_clock",
    metadata,
    Column("one", Boolean, primary_key=True, server_default=text("true")),
    Column("evaluated_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("one", name="one_row"),
)
