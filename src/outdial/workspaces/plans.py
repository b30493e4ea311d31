"""Plans: how many calls a workspace may have at the same time."""

from enum import StrEnum

from outdial.refusals import Invalid


class Plan(StrEnum):
    STARTER = "starter"
    PRO = "pro"
    TEAM = "team"
    ENTERPRISE = "enterprise"
    CUSTOM = "custom"  # a number of lines that is none of the presets


LINES = {Plan.STARTER: 1, Plan.PRO: 5, Plan.TEAM: 15, Plan.ENTERPRISE: 100}

MAX_LINES = 100_000  # far above what one PostgreSQL dials; keeps typing errors out of the counter


def sized(plan: Plan, lines: int | None) -> tuple[Plan, int]:
    """The plan that a wish comes to, and its lines. A number of lines overrides the plan's.

    Raises Invalid.
    """
    if lines is None:
        if plan is Plan.CUSTOM:
            raise Invalid("lines", "is required for the plan custom")
        return plan, LINES[plan]
    if not 0 <= lines <= MAX_LINES:
        raise Invalid("lines", f"must be between 0 and {MAX_LINES}")
    return (plan if LINES.get(plan) == lines else Plan.CUSTOM), lines
