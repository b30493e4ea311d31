"""Second legs of warm transfers: somebody who is asked, on a call of their own, whether to take a callee."""

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, LargeBinary, Numeric, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from outdial.db.metadata import instant, metadata

# Stored before the carrier is asked to dial it, which is done once.
consultations = Table(
    "consultations",
    metadata,
    Column("transfer_id", BigInteger, ForeignKey("transfers.id", ondelete="CASCADE"), primary_key=True),
    Column("attempt_id", Text, ForeignKey("attempts.id", ondelete="CASCADE"), nullable=False),
    Column("owner", Text, nullable=False),         # the worker that asks: it talks with the callee meanwhile
    Column("brief", Text, nullable=False),         # what the other party is told
    Column("wait_s", Float, nullable=False),       # for its accept, once it was asked
    Column("token_hash", LargeBinary, nullable=False),  # of its audio's stream; works once
    Column("carrier_call_id", Text),
    Column("carrier_refs", JSONB, nullable=False, server_default=text("'{}'")),
    instant("created_at", now=True),
    instant("opened_at"),                          # its audio came
    Column("answer", Text),                        # calls.consultations.Answer
    instant("joining_at"),                         # the carrier was asked to connect it with the callee
    instant("dropped_at"),                         # it is to end: nobody wants it any more
    instant("ended_at"),
    Column("price", Numeric),
    Column("price_currency", Text),
    Index("ix_consultations_attempt_id", "attempt_id"),
)
