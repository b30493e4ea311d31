"""When a callee wants to be called back: read from what a model writes, and said in words of ours. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from outdial.agents.tools.asks import NotPossible
from outdial.telephony.time_zone import zones_of

LATEST = timedelta(days=30)  # ahead
SOONEST = timedelta(minutes=1)
OF_VARIABLES = ("time_zone", "timezone")  # in which a call may bring its callee's, as IANA names it

_NAMES: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {
    "en": (
        ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
        ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
         "November", "December"),
    ),
    "de": (
        ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"),
        ("Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November",
         "Dezember"),
    ),
    "es": (
        ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
        ("enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre",
         "noviembre", "diciembre"),
    ),
    "fr": (
        ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
        ("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre",
         "décembre"),
    ),
}  # fmt: skip


def zones_for(number: str, variables: Mapping[str, Any]) -> tuple[ZoneInfo, ...]:
    """Those that the callee may be in: the one that the call brings, else those of the number."""
    for name in OF_VARIABLES:
        given = variables.get(name)
        if isinstance(given, str):
            try:
                return (ZoneInfo(given.strip()),)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                continue
    return zones_of(number)


def read_time(text: str, zones: Sequence[ZoneInfo], now: datetime) -> datetime:
    """An instant in the callee's zone. Raises NotPossible with what to ask, or to correct."""
    try:
        given = datetime.fromisoformat(text.strip())
    except ValueError:
        given = None
    if given is None or len(text.strip()) < len("2026-01-01T00"):
        raise NotPossible("at is a date and a time of day, such as 2026-02-03T15:00.")
    at = _in_zone(given, zones, now)
    if at < now + SOONEST:
        raise NotPossible(f"That has passed. For the callee it is {_for_a_model(now, zones)} now.")
    if at > now + LATEST:
        raise NotPossible(f"That is too far ahead: at most {LATEST.days} days. Agree on an earlier day.")
    return at


def now_told(zones: Sequence[ZoneInfo], now: datetime) -> str:
    """For a model, which knows no clock."""
    return f"For the callee it is {_for_a_model(now, zones)} now, as the call begins."


def in_words(at: datetime, language: str) -> str:
    """What is said before it is done: the day, and the time of day where the callee is."""
    code = language[:2].lower()
    days, months = _NAMES.get(code, _NAMES["en"])
    day, month = days[at.weekday()], months[at.month - 1]
    match code:
        case "de":
            time = f"{at.hour} Uhr" if at.minute == 0 else f"{at.hour}:{at.minute:02} Uhr"
            return f"Ich rufe Sie am {day}, den {at.day}. {month}, um {time} wieder an."
        case "es":
            article = "la" if at.hour == 1 else "las"
            return f"Le volveré a llamar el {day} {at.day} de {month} a {article} {at.hour}:{at.minute:02}."
        case "fr":
            minutes = f" {at.minute:02}" if at.minute else ""
            return f"Je vous rappellerai le {day} {at.day} {month} à {at.hour} heures{minutes}."
    time = f"{at.hour % 12 or 12}:{at.minute:02} {'AM' if at.hour < 12 else 'PM'}"
    return f"I'll call you back on {day}, {month} {at.day}, at {time}."


def _in_zone(given: datetime, zones: Sequence[ZoneInfo], now: datetime) -> datetime:
    offsets = {given.replace(tzinfo=zone).utcoffset() for zone in zones}
    if given.tzinfo is not None:
        here = given.astimezone(zones[0]) if len(zones) == 1 else None
        return given if here is None else here
    if len(offsets) != 1:
        where = f" (perhaps {', '.join(str(zone) for zone in zones[:4])})" if zones else ""
        raise NotPossible(
            f"The callee's time zone isn't known{where}. Ask for it, and give at with its offset from UTC, such as "
            "2026-02-03T15:00-05:00."
        )
    at = given.replace(tzinfo=zones[0])
    if at.astimezone(ZoneInfo("UTC")).astimezone(zones[0]).replace(tzinfo=None) != given:
        raise NotPossible("There is no such time on that day: clocks are put forward. Agree on another one.")
    if at.utcoffset() != at.replace(fold=1).utcoffset():
        raise NotPossible("That time comes twice on that day: clocks are put back. Agree on another one.")
    return at


def _for_a_model(now: datetime, zones: Sequence[ZoneInfo]) -> str:
    there = {now.astimezone(zone).utcoffset() for zone in zones}
    zone = zones[0] if len(there) == 1 else ZoneInfo("UTC")
    at = now.astimezone(zone)
    return f"{_NAMES['en'][0][at.weekday()]} {at:%Y-%m-%dT%H:%M} ({zone})"
