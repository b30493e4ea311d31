"""Virtual time, for tests of ours as for those of users."""

from outdial.testing.virtual_time import Stuck, VirtualTimeLoop, run

__all__ = ["Stuck", "VirtualTimeLoop", "run"]
