"""Failures thrown at a running Outdial, and its books compared with the carrier's afterwards; see README.md."""
