"""Measurements of what Outdial holds: `python -m bench`, or `make bench`. See README.md beside this file."""
