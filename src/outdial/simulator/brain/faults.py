"""What goes wrong between a brain and whoever is led by it."""

from collections.abc import Mapping

from outdial.simulator.faults import Fault, FaultKind, Faults

KINDS = tuple(kind for kind in FaultKind if kind.startswith("brain_"))
GARBAGE = ("hello?", '{"type":"florp","quarvex":7}', '{"type":"text","token":null}')
HUGE = 1024 * 1024  # characters of a message that is too long

Struck = Mapping[FaultKind, Fault]


def strike(faults: Faults, kinds: tuple[FaultKind, ...] = KINDS) -> Struck:
    """Uses up what strikes."""
    found = {kind: faults.strike_brain(kind) for kind in kinds}
    return {kind: fault for kind, fault in found.items() if fault is not None}
