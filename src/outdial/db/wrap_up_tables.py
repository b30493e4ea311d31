"""The table of wrap-ups: what agents' models make of calls that have ended."""

from sqlalchemy import Column, ForeignKey, Index, Integer, Numeric, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from outdial.db.metadata import instant, metadata

# One for each call that was answered and whose agent's version asks for it, and that of a call is made again.
wrap_ups = Table(
    "wrap_ups",
    metadata,
    Column("call_id", Text, ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    Column("state", Text, nullable=False),  # calls.wrap_ups.WrapUpState
    Column("round", Integer, nullable=False, server_default="1"),  # each time somebody wants it anew is one
    Column("begun", Integer, nullable=False, server_default="0"),  # how often, in this round
    instant("wanted_at", now=True),
    instant("due_at", now=True),  # its job is to begin
    instant("leased_until"),  # a process is at it
    instant("finished_at"),   # what follows is of then
    Column("summary", Text),
    Column("facts", JSONB, nullable=False, server_default=text("'[]'")),     # [{"name", "value", "evidence": [seq]}]
    Column("outcome", Text),                                                 # the model's word; see calls.outcome
    Column("outcome_evidence", JSONB, nullable=False, server_default=text("'[]'")),  # turns: seq
    Column("unproved", JSONB, nullable=False, server_default=text("'[]'")),  # names of what nothing said bears out
    Column("error", JSONB(none_as_null=True)),  # {"code", "message"}: why it failed, or the last try
    Column("model", Text),
    Column("tokens", Integer, nullable=False, server_default="0"),  # of all tries together
    Column("dollars", Numeric),                                     # None: nobody knows the price
    Index("ix_wrap_ups_due_at", "due_at", postgresql_where=text("state = 'pending'")),
)
