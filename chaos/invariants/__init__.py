"""What must be true when a run is over, whatever was thrown at it. Pure: evidence in, what is broken out."""

from chaos.invariants import books, hosts, kept, told
from chaos.invariants.finding import CHECKS, Finding, check_all

__all__ = ["CHECKS", "Finding", "books", "check_all", "hosts", "kept", "told"]
