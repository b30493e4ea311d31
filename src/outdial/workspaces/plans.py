"""Plans: how many calls a workspace may have at the same time."""

from enum import StrEnum


class Plan(StrEnum):
    STARTER = "starter"
    PRO = "pro"
    TEAM = "team"
    ENTERPRISE = "enterprise"
    CUSTOM = "custom"  # a number of lines that is none of the presets


LINES = {Plan.STARTER: 1, Plan.PRO: 5, Plan.TEAM: 15, Plan.ENTERPRISE: 100}

MAX_LINES = 100_000  # far above what one PostgreSQL dials; keeps typing errors out of the counter
