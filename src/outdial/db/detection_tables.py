"""The table of detections: what the detectors of an answered dial found, side by side, and who it truly was."""

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, text

from outdial.db.metadata import instant, metadata

# Of a dial that two detectors were asked about, from the first verdict on; of another one once somebody has said who
# answered. Categories and instants alone: nothing that was said.
detections = Table(
    "detections",
    metadata,
    Column("attempt_id", Text, ForeignKey("attempts.id", ondelete="CASCADE"), primary_key=True),
    Column("call_id", Text, ForeignKey("calls.id", ondelete="CASCADE"), nullable=False),
    Column("workspace_id", Text, ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False),
    Column("carrier", Text, nullable=False),
    instant("at", now=True),                      # it was answered
    Column("asked", Text),                        # telephony.verdict.DetectedBy; None: nobody was
    Column("local_category", Text),               # as it is now; None: it has said nothing
    instant("local_known_at"),                    # it first said who it is
    Column("local_revisions", Integer, nullable=False, server_default="0"),
    Column("carrier_category", Text),             # the same of the carrier's
    instant("carrier_known_at"),
    Column("carrier_revisions", Integer, nullable=False, server_default="0"),
    Column("truth", Text),                        # who answered, as a person says
    instant("truth_at"),                          # when they said so, or took it back
    Index("ix_detections_call_id", "call_id"),
    # With all that is counted, so that the rows themselves needn't be read (history.agreement).
    Index(
        "ix_detections_both",
        "workspace_id",
        "at",
        postgresql_include=[
            "carrier", "local_category", "carrier_category", "local_known_at", "carrier_known_at", "local_revisions",
            "carrier_revisions",
        ],
        postgresql_where=text("asked = 'both'"),
    ),
    # Lists: a cell of the table of confusion, where the two differ, and what somebody has labelled.
    Index(
        "ix_detections_cell",
        "workspace_id",
        "local_category",
        "carrier_category",
        "at",
        postgresql_where=text("asked = 'both'"),
    ),
    Index(
        "ix_detections_differ",
        "workspace_id",
        "at",
        postgresql_where=text("asked = 'both' AND local_category <> carrier_category"),
    ),
    Index("ix_detections_truth", "workspace_id", "at", postgresql_where=text("truth IS NOT NULL")),
)  # fmt: skip
