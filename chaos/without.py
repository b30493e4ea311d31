"""`outdial` with a part left out, for a run that must find what that part prevents:

    python -m chaos.without sweep -- serve
"""

import asyncio
import sys
from typing import Any


class Nothing:
    """In place of a part: made with anything, and runs without doing a thing."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    async def run(self) -> None:
        await asyncio.Event().wait()


PARTS = {"sweep": "Sweep"}  # what it is called here, and in outdial.role_parts


def main() -> None:
    import outdial.role_parts
    from outdial.cli import main as outdial_main

    at = sys.argv.index("--")
    for part in sys.argv[1:at]:
        if not hasattr(outdial.role_parts, PARTS[part]):
            raise SystemExit(f"outdial.role_parts has no {PARTS[part]} to leave out")
        setattr(outdial.role_parts, PARTS[part], Nothing)
    sys.argv = ["outdial", *sys.argv[at + 1 :]]
    outdial_main()


if __name__ == "__main__":
    main()
