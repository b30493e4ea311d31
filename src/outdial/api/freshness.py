"""Answers that may be read at a replica of the database, and so be a little old; and who doesn't want one."""

from typing import Annotated

from fastapi import Depends, Request

from outdial.history.reading import AS_OF

MAY_BE_OLD = (
    f"Where the server reads at a replica of its database, `{AS_OF}` says up to when everything is in the answer; with "
    "`Cache-Control: no-cache` it is of now."
)


async def wants_fresh(request: Request) -> bool:
    """RFC 9111, section 5.2.1.4: not of a store that may be old."""
    return "no-cache" in request.headers.get("cache-control", "").lower()


Fresh = Annotated[bool, Depends(wants_fresh)]
