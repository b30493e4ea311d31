"""Tries of the way to this server that are under way: who may have the server answer for one, and until when."""

from sqlalchemy import Column, DateTime, Integer, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from outdial.db.metadata import instant, metadata

self_tests = Table(
    "self_tests",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),  # SHA-256 of what stands in the path that is asked
    Column("nonce", Text, nullable=False),                # what a server of this database alone can answer
    Column("credentials", JSONB, nullable=False),         # by carrier, made for this alone
    Column("answers", Integer, nullable=False, server_default="0"),
    instant("begun_at", now=True),
    Column("expires_at", DateTime(timezone=True), nullable=False),
)
