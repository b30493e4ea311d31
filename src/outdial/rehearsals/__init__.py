"""Rehearsals: callees written down, and a script that talks to them without audio (docs/rehearsals.md)."""
