"""The calendar of a practice that there isn't."""

from dataclasses import dataclass, field

Json = dict[str, object]
SLOTS = (
    "Thursday at two in the afternoon",
    "Friday at nine in the morning",
    "Monday at half past eleven in the morning",
    "Monday at four in the afternoon",
)
USUAL = "tomorrow at ten thirty in the morning"
NOBODY = "Nobody"  # the one name that isn't found


class CannotDo(Exception):
    """The text says why, for a model to read."""


@dataclass(slots=True)
class Calendar:
    """Everybody has the same appointment, until it is moved."""

    bookings: list[str] = field(default_factory=list)  # of each time that was booked, in that order
    _moved: dict[str, str] = field(default_factory=dict)  # whose appointment, and when it is now

    def look_up_appointment(self, name: str) -> Json:
        """Raises CannotDo."""
        if name.strip().casefold() == NOBODY.casefold():
            raise CannotDo("There is no appointment under that name.")
        day, _, time = self._moved.get(name, USUAL).partition(" at ")
        return {"name": name, "day": day, "time": time, "practice": "Riverside Dental"}

    def free_slots(self, day: str = "") -> Json:
        """Of all days, or of those that begin with `day`."""
        free = [slot for slot in SLOTS if slot not in self._moved.values()]
        return {"slots": [slot for slot in free if slot.casefold().startswith(day.strip().casefold())]}

    def book_slot(self, slot: str, name: str = "") -> Json:
        """Raises CannotDo."""
        if slot not in SLOTS:
            raise CannotDo("There is no such time. Ask for the free ones.")
        if slot in self._moved.values():
            raise CannotDo("That time is taken. Ask for the free ones.")
        self._moved[name] = slot
        self.bookings.append(slot)
        return {"booked": slot, "name": name, "reference": f"R-{len(self.bookings)}"}

    def clear(self) -> None:
        self.bookings.clear()
        self._moved.clear()
