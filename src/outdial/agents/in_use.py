"""Which version of an agent talks on a number."""

from sqlalchemy import case, func, select

from outdial.db.tables import agent_versions, agents, numbers

# Which version talks on a number: in a query of numbers, outer-joined with agents. None: there is no such version.
version_in_use = case(
    (
        numbers.c.agent_version == "draft",
        select(func.max(agent_versions.c.version))
        .where(agent_versions.c.agent_id == numbers.c.agent_id)
        .scalar_subquery(),
    ),
    else_=agents.c.published_version,
)
