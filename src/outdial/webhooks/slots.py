"""How many deliveries a sender has under way, and of which lanes it may take more. Pure: it is told the time.

One slow endpoint delays nobody: a lane is counted apart from those that answer at once while it takes longer than a
moment, and after it was slow or failed. So what is slow leaves its room to the quick ones; only where hundreds turn
slow within a few seconds do all wait, until the first of them are answered or given up.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

QUICK = 256         # under way at once, of lanes that answer at once
SLOW = 256          # … and of the others, and of those that have had one under way for longer than SLOW_AFTER_S
MOST = 560          # of both, also where many that were quick turn slow; fewer than there are connections
SLOW_AFTER_S = 1.0
QUICK_OF_LANE = 32
SLOW_OF_LANE = 16
REMEMBERED = 10_000  # lanes that were slow


@dataclass(slots=True)
class Slots:
    """`now`: seconds, by any clock that runs."""

    _under_way: dict[int, tuple[str, float]] = field(default_factory=dict)
    _slow: dict[str, None] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._under_way)

    def __contains__(self, delivery_id: int) -> bool:
        return delivery_id in self._under_way

    def begin(self, delivery_id: int, lane: str, *, now: float) -> None:
        self._under_way[delivery_id] = (lane, now)

    def end(self, delivery_id: int, *, answered_in_s: float, failed: bool) -> None:
        """Its place is free; how long the answer took says what its lane is taken for next."""
        lane, _ = self._under_way.pop(delivery_id, (None, 0.0))
        if lane is None:
            return
        self._slow.pop(lane, None)
        if failed or answered_in_s > SLOW_AFTER_S:
            self._slow[lane] = None
            if len(self._slow) > REMEMBERED:
                del self._slow[next(iter(self._slow))]

    def room(self, lanes: Sequence[str], *, now: float) -> Mapping[str, int]:
        """How many more each of these lanes may have; those that may have none are left out. Where there isn't enough
        for all, the first have it."""
        hanging = {lane for lane, since in self._under_way.values() if now - since > SLOW_AFTER_S}
        of_lane = Counter(lane for lane, _ in self._under_way.values())
        used = {True: 0, False: 0}
        for lane, count in of_lane.items():
            used[lane in self._slow or lane in hanging] += count
        left = MOST - len(self._under_way)
        found: dict[str, int] = {}
        for is_slow, most, most_of_lane in ((False, QUICK, QUICK_OF_LANE), (True, SLOW, SLOW_OF_LANE)):
            these = [
                lane
                for lane in lanes
                if (lane in self._slow or lane in hanging) is is_slow and of_lane[lane] < most_of_lane
            ]
            free = min(most - used[is_slow], left)
            for number, lane in enumerate(these):  # shared evenly, what one doesn't take goes to those after it
                share = min(most_of_lane - of_lane[lane], max(1, free // (len(these) - number)), free)
                if share > 0:
                    found[lane] = share
                    free -= share
                    left -= share
        return found
