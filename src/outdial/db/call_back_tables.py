"""Calls that were promised in other calls."""

from sqlalchemy import Column, DateTime, ForeignKey, Index, Table, Text

from outdial.db.metadata import instant, metadata

# One a call at most, whoever promises it: the primary key holds that for all processes.
call_backs = Table(
    "call_backs",
    metadata,
    Column("call_id", Text, ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),  # in which it was promised
    Column("new_call_id", Text, nullable=False),  # stored in the same transaction
    Column("promised_for", DateTime(timezone=True), nullable=False),
    instant("created_at", now=True),
    Index("ix_call_backs_new_call_id", "new_call_id", unique=True),
)
