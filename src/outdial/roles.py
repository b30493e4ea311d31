"""What processes do; each by default everything."""

from enum import StrEnum


class Role(StrEnum):
    """What a process does; by default everything."""

    API = "api"            # carriers' callbacks, calls that come in, the dashboard (the API itself is every process's)
    DISPATCH = "dispatch"  # dials, and looks after calls nobody else looks after
    MEDIA = "media"        # conversations
    JOBS = "jobs"          # background work that may run twice


ROLES = frozenset(Role)
