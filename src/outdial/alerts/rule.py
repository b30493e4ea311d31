"""Rules: what is watched, from when on it is an alert, and the rules that every workspace has. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from typing import Any, Self

from outdial.refusals import Invalid
from outdial.telephony.failures import FailureCode

SHORTEST_MIN, LONGEST_MIN, STEP_MIN = 15, 24 * 60, 5


class Kind(StrEnum):
    ANSWER_RATE = "answer_rate"
    FAILURE_SHARE = "failure_share"
    REPLY_LATENCY = "reply_latency"
    DO_NOT_CALL_SHARE = "do_not_call_share"
    DO_NOT_CALL_COUNT = "do_not_call_count"
    NUMBER_HEALTH = "number_health"
    WEBHOOK_FAILING = "webhook_failing"
    SPEND_SHARE = "spend_share"
    SPEND_DAY = "spend_day"
    CHARGES_DAY = "charges_day"


class Unit(StrEnum):
    SHARE = "share"      # 0 to 1
    MS = "ms"
    COUNT = "count"
    MINUTES = "minutes"
    DOLLARS = "dollars"
    AMOUNT = "amount"    # of money, in whatever currency it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What may be changed of a rule; None: there is no such thing in a rule of its kind. `threshold` is in the kind's
    unit, `window_min` the minutes that are looked at, `least_calls`: with fewer calls there is no alert. `code`: only
    failures of this kind (None: all)."""

    enabled: bool = True
    threshold: float | None = None
    window_min: int | None = None
    least_calls: int | None = None
    code: str | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Raises ValueError where something isn't of its type."""
        setting = cls(**{name: value for name, value in stored.items() if name in FIELDS})
        if not all(type(getattr(setting, name)) in types for name, types in TYPES.items()):
            raise ValueError("is no setting of a rule")
        return setting


TYPES: Mapping[str, tuple[type, ...]] = {
    "enabled": (bool,),
    "threshold": (float, int, type(None)),
    "window_min": (int, type(None)),
    "least_calls": (int, type(None)),
    "code": (str, type(None)),
}
FIELDS = tuple(field.name for field in fields(Setting))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What rules of a kind are like. `is_below`: it is the low figures that are bad. `most`: the highest threshold;
    None: there is none to set. `least_calls`: the most that may be asked for; None: calls don't matter."""

    unit: Unit
    default: Setting
    is_below: bool = False
    most: float | None = None
    least_calls: int | None = None

    @property
    def has_code(self) -> bool:
        return self is SHAPES[Kind.FAILURE_SHARE]


_CALLS = 10_000
SHAPES: Mapping[Kind, Shape] = {
    Kind.ANSWER_RATE: Shape(
        unit=Unit.SHARE,
        is_below=True,
        most=0.95,
        least_calls=_CALLS,
        default=Setting(threshold=0.1, window_min=60, least_calls=30),
    ),
    Kind.FAILURE_SHARE: Shape(
        unit=Unit.SHARE,
        most=1.0,
        least_calls=_CALLS,
        default=Setting(threshold=0.2, window_min=30, least_calls=10),
    ),
    Kind.REPLY_LATENCY: Shape(
        unit=Unit.MS,
        most=30_000,
        least_calls=_CALLS,
        default=Setting(threshold=4000, window_min=60, least_calls=10),
    ),
    Kind.DO_NOT_CALL_SHARE: Shape(
        unit=Unit.SHARE,
        most=1.0,
        least_calls=_CALLS,
        default=Setting(threshold=0.1, window_min=240, least_calls=30),
    ),
    Kind.DO_NOT_CALL_COUNT: Shape(
        unit=Unit.COUNT,
        most=1_000_000,
        default=Setting(threshold=50, window_min=LONGEST_MIN),
    ),
    Kind.NUMBER_HEALTH: Shape(unit=Unit.COUNT, least_calls=20, default=Setting(least_calls=2)),
    Kind.WEBHOOK_FAILING: Shape(unit=Unit.MINUTES, default=Setting(window_min=15)),
    Kind.SPEND_SHARE: Shape(unit=Unit.SHARE, most=1.0, default=Setting(threshold=0.8)),
    Kind.SPEND_DAY: Shape(unit=Unit.DOLLARS, most=1_000_000, default=Setting(threshold=100)),
    Kind.CHARGES_DAY: Shape(unit=Unit.AMOUNT, most=100_000_000, default=Setting(threshold=100)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`id`: of one that every workspace has its kind, else `rule_…`. `before`: as it was before the last change."""

    id: str
    kind: Kind
    setting: Setting

    @property
    def shape(self) -> Shape:
        return SHAPES[self.kind]

    @property
    def is_default(self) -> bool:
        return self.id == self.kind

    @classmethod
    def from_json(cls, rule_id: str, stored: Mapping[str, Any]) -> Self:
        """Raises ValueError where it isn't one that could be set."""
        try:
            kind, setting = Kind(stored["kind"]), Setting.from_json(stored)
            return cls(id=rule_id, kind=kind, setting=checked(kind, {}, setting))
        except (Invalid, KeyError, TypeError) as error:
            raise ValueError("is no rule") from error


DEFAULTS: Mapping[str, Rule] = {kind.value: Rule(id=kind, kind=kind, setting=SHAPES[kind].default) for kind in Kind}


def checked(kind: Kind, changes: Mapping[str, Any], before: Setting) -> Setting:
    """A setting with changes, by name. Raises Invalid, which names the field."""
    shape, default = SHAPES[kind], SHAPES[kind].default
    for name in FIELDS[1:]:
        if name in changes and name != "code" and getattr(default, name) is None and changes[name] is not None:
            raise Invalid(name, f"is nothing that a rule of this kind ({kind}) has")
    setting = replace(before, **{name: value for name, value in changes.items() if value is not None or name == "code"})
    if setting.code is not None:
        if not shape.has_code:
            raise Invalid("code", f"is nothing that a rule of this kind ({kind}) has")
        if setting.code not in list(FailureCode):
            raise Invalid("code", "is no code that a call fails with")
    if shape.most is not None:
        _check_threshold(shape, setting.threshold)
    if default.window_min is not None:
        window = setting.window_min
        if window is None or not SHORTEST_MIN <= window <= LONGEST_MIN or window % STEP_MIN:
            raise Invalid("window_min", f"must be {SHORTEST_MIN} to {LONGEST_MIN} minutes, in steps of {STEP_MIN}")
    if shape.least_calls is not None and not 1 <= (setting.least_calls or 0) <= shape.least_calls:
        raise Invalid("least_calls", f"must be 1 to {shape.least_calls}")
    return setting


def _check_threshold(shape: Shape, threshold: float | None) -> None:
    assert shape.most is not None
    is_too_low = threshold is None or threshold < 0 or (threshold == 0 and not shape.is_below)
    if is_too_low or (threshold or 0) > shape.most:
        low = "0" if shape.is_below else "more than 0"
        raise Invalid("threshold", f"must be {low}, and {shape.most:g} at most")
