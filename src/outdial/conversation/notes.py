"""What is noted in a call."""

import asyncio
from collections import UserDict
from collections.abc import Mapping
from typing import Any, Self

from outdial.telephony.outcome import WISH


class Notes(UserDict[str, Any]):
    """Values by name. `wish` is set once it is noted that the callee wants no more calls: that doesn't wait for the end
    of the call."""

    def __init__(self, noted: Mapping[str, Any]) -> None:
        self.wish = asyncio.Event()
        super().__init__(noted)

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        if name == WISH and value is True:
            self.wish.set()

    def __ior__(self, other: Any) -> Self:  # type: ignore[override, misc]  # UserDict's goes past __setitem__
        self.update(other)
        return self
