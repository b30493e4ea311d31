"""What models and vendors of speech were used for in a call, and what that cost: figures from its events."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from sqlalchemy import Text, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import TypedDict

from outdial.db.tables import call_events

MODEL, SPEECH = "model", "speech_used"


class ModelUse(TypedDict):
    """All answers of one model. `dollars` is null where one of them has no known price."""

    model: str
    tokens: int
    dollars: float | None


class TimesView(TypedDict):
    """How long the callee waited for a vendor, each time: for a voice's first audio, from its first text on; for the
    words of an utterance, from when a recogniser was asked for them."""

    count: int
    median_ms: int
    longest_ms: int


class SpeechUseView(TypedDict):
    """`part` is `voice` or `recognition`. `characters` were given to a voice; `audio_s` to a recogniser, whose session
    was open for `open_s`. `dollars` is null where the operator's price list doesn't name the vendor; `times` where
    nobody waited for it: all was kept from earlier calls, or it failed."""

    part: str
    vendor: str
    characters: int | None
    audio_s: float | None
    open_s: float | None
    dollars: float | None
    times: TimesView | None


class CallUsage(TypedDict):
    """`dollars` is of what has a known price; null where nothing has."""

    models: list[ModelUse]
    speech: list[SpeechUseView]
    dollars: float | None


async def usage_of(conn: AsyncConnection, call_ids: Iterable[str]) -> dict[str, CallUsage]:
    """Of each of these calls."""
    ids = list(call_ids)
    found: dict[str, list[tuple[str, Mapping[str, Any]]]] = {call_id: [] for call_id in ids}
    for row in await conn.execute(_FIGURES, {"of_calls": ids}):
        found[row.call_id].append((row.type, row.data))
    return {call_id: in_all(figures) for call_id, figures in found.items()}


def in_all(figures: Sequence[tuple[str, Mapping[str, Any]]]) -> CallUsage:
    models: dict[str, ModelUse] = {}
    speech: dict[tuple[str, str], SpeechUseView] = {}
    took: dict[tuple[str, str], list[int]] = {}
    for type_, data in figures:
        if type_ == MODEL:
            name = str(data.get("model"))
            use = models.setdefault(name, ModelUse(model=name, tokens=0, dollars=0.0))
            use["tokens"] += data.get("tokens") or 0
            use["dollars"] = _sum(use["dollars"], data.get("dollars"))
        else:
            key = str(data.get("part")), str(data.get("vendor"))
            took.setdefault(key, []).extend(data.get("took_ms") or [])
            if key in speech:
                _add(speech[key], _speech(data))
            else:
                speech[key] = _speech(data)
    for key, all_ms in took.items():
        speech[key]["times"] = _times(all_ms)
    for use in models.values():
        use["dollars"] = None if use["dollars"] is None else round(use["dollars"], 6)
    known = [dollars for use in (*models.values(), *speech.values()) if (dollars := use["dollars"]) is not None]
    return CallUsage(
        models=list(models.values()), speech=list(speech.values()), dollars=round(sum(known), 6) if known else None
    )


def _speech(data: Mapping[str, Any]) -> SpeechUseView:
    return SpeechUseView(
        part=str(data.get("part")),
        vendor=str(data.get("vendor")),
        characters=data.get("characters"),
        audio_s=_seconds(data.get("audio_ms")),
        open_s=_seconds(data.get("open_ms")),
        dollars=data.get("dollars"),
        times=None,
    )


def _times(all_ms: Sequence[int]) -> TimesView | None:
    if not all_ms:
        return None
    return TimesView(count=len(all_ms), median_ms=round(median(all_ms)), longest_ms=max(all_ms))


def _add(use: SpeechUseView, more: SpeechUseView) -> None:
    """A call may have several conversations: attempts, and what follows a transfer."""
    if use["characters"] is not None:
        use["characters"] += more["characters"] or 0
    if use["audio_s"] is not None:
        use["audio_s"] = round(use["audio_s"] + (more["audio_s"] or 0), 1)
    if use["open_s"] is not None:
        use["open_s"] = round(use["open_s"] + (more["open_s"] or 0), 1)
    use["dollars"] = _sum(use["dollars"], more["dollars"])


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else round(one + other, 6)


def _seconds(ms: float | None) -> float | None:
    return None if ms is None else round(ms / 1000, 1)


_FIGURES = (
    select(call_events.c.call_id, call_events.c.type, call_events.c.data)
    .where(
        call_events.c.call_id == bindparam("of_calls", type_=ARRAY(Text)).any_(),
        call_events.c.type.in_((MODEL, SPEECH)),
    )
    .order_by(call_events.c.id)
)
