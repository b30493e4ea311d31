"""The figures that rules are about, of all workspaces at once: read from counts that are kept, never from all calls."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.alerts.rule import Kind, Rule
from outdial.alerts.verdict import Figure
from outdial.calls.ended_counts import EVERY, MILLIONTHS, REPLY_BOUNDS_MS
from outdial.history.number_health import TROUBLES
from outdial.net.urls import host_of

# Which counts rules of a kind are about. Only these are read: a window of a day has many others.
COUNTED: Mapping[Kind, Sequence[str]] = {
    Kind.ANSWER_RATE: ("answered", "unanswered"),
    Kind.FAILURE_SHARE: ("answered", "unanswered"),
    Kind.REPLY_LATENCY: ("timed", "reply"),
    Kind.DO_NOT_CALL_SHARE: ("answered", "wish"),
    Kind.DO_NOT_CALL_COUNT: ("wish",),
}
MOST_CODES = 5  # of failures, told with an alert
PERCENTILE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Of one workspace and one window. `failed` is by code; `replies` by the bound in ms that they were within."""

    answered: int = 0
    unanswered: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)
    timed: int = 0
    replies: Mapping[int, int] = field(default_factory=dict)
    wishes: int = 0

    @property
    def dialled(self) -> int:
        return self.answered + self.unanswered


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known at an instant: counts by workspace and window, and by workspace the rest, ready to be judged."""

    counts: Mapping[tuple[str, int], Counts]
    numbers: Mapping[str, Sequence[Figure]]
    webhooks: Mapping[str, Sequence[Figure]]
    spend: Mapping[str, "Spent"]
    charges: Mapping[str, Sequence[Figure]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Today (UTC), for models; with the limits of a day."""

    dollars: float
    tokens: int
    most_dollars: float | None
    most_tokens: int | None

    @property
    def share(self) -> float | None:
        """Of the limit that is nearer; None without any."""
        shares = [
            1.0 if most == 0 else used / most
            for used, most in ((self.dollars, self.most_dollars), (self.tokens, self.most_tokens))
            if most is not None
        ]
        return max(shares, default=None)


async def read(conn: AsyncConnection, rules: Mapping[str, Sequence[Rule]], *, now: datetime) -> Known:
    """For the rules of each workspace that are switched on."""
    windows = {
        (workspace_id, rule.setting.window_min, counted)
        for workspace_id, of in rules.items()
        for rule in of
        for counted in COUNTED.get(rule.kind, ())
        if rule.setting.window_min is not None
    }
    least = {workspace_id: n for workspace_id, of in rules.items() if (n := _least_of_numbers(of)) is not None}
    return Known(
        counts=await _counts(conn, sorted(windows), now),
        numbers=await _numbers(conn, least),
        webhooks=await _webhooks(conn, now),
        spend=await _spend(conn, now),
        charges=await _charges(conn, _having(rules, Kind.CHARGES_DAY), now),
    )


def figures_of(rule: Rule, workspace_id: str, known: Known) -> list[Figure]:
    """What is to be judged by a rule: nothing where nothing is known, or nothing is wrong. Pure."""
    if rule.kind is Kind.NUMBER_HEALTH:
        return list(known.numbers.get(workspace_id, ()))
    if rule.kind is Kind.WEBHOOK_FAILING:
        least = rule.setting.window_min or 0
        return [each for each in known.webhooks.get(workspace_id, ()) if each.value >= least or each.code is not None]
    if rule.kind is Kind.CHARGES_DAY:
        return list(known.charges.get(workspace_id, ()))
    if rule.kind in (Kind.SPEND_SHARE, Kind.SPEND_DAY):
        return _of_spend(rule, known.spend.get(workspace_id))
    counts = known.counts.get((workspace_id, rule.setting.window_min or 0))
    figure = None if counts is None else _of_counts(rule, counts)
    return [] if figure is None else [figure]


def _of_counts(rule: Rule, counts: Counts) -> Figure | None:
    match rule.kind:
        case Kind.ANSWER_RATE if counts.dialled:
            details = {"answered": counts.answered, "dialled": counts.dialled}
            return Figure(value=counts.answered / counts.dialled, calls=counts.dialled, details=details)
        case Kind.FAILURE_SHARE if counts.dialled:
            code = rule.setting.code
            failed = sum(counts.failed.values()) if code is None else counts.failed.get(code, 0)
            return Figure(
                value=failed / counts.dialled,
                calls=counts.dialled,
                code=code,
                details={"failed": failed, "dialled": counts.dialled, "codes": _most_frequent(counts.failed)},
            )
        case Kind.REPLY_LATENCY if counts.replies:
            details = {"replies": sum(counts.replies.values())}
            return Figure(value=float(percentile(counts.replies)), calls=counts.timed, details=details)
        case Kind.DO_NOT_CALL_SHARE if counts.answered:
            details = {"wishes": counts.wishes, "answered": counts.answered}
            return Figure(value=min(1.0, counts.wishes / counts.answered), calls=counts.answered, details=details)
        case Kind.DO_NOT_CALL_COUNT:
            return Figure(value=float(counts.wishes), details={"wishes": counts.wishes})
    return None


def percentile(replies: Mapping[int, int], share: float = PERCENTILE) -> int:
    """The bound in ms that so many of the replies were within. Pure."""
    wanted, seen = share * sum(replies.values()), 0
    for bound in REPLY_BOUNDS_MS:
        seen += replies.get(bound, 0)
        if seen >= wanted:
            return bound
    return REPLY_BOUNDS_MS[-1]


def _most_frequent(failed: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(failed.items(), key=lambda item: (-item[1], item[0]))[:MOST_CODES])


def _of_spend(rule: Rule, spent: Spent | None) -> list[Figure]:
    if spent is None:
        return []
    details = {"dollars": round(spent.dollars, 2), "tokens": spent.tokens}
    if rule.kind is Kind.SPEND_DAY:
        return [Figure(value=spent.dollars, details=details)]
    limits = {"most_dollars": spent.most_dollars, "most_tokens": spent.most_tokens}
    return [] if spent.share is None else [Figure(value=spent.share, details=details | limits)]


def _least_of_numbers(rules: Iterable[Rule]) -> int | None:
    return next((rule.setting.least_calls for rule in rules if rule.kind is Kind.NUMBER_HEALTH), None)


def _having(rules: Mapping[str, Sequence[Rule]], kind: Kind) -> list[str]:
    """The workspaces that have a rule of this kind."""
    return [workspace_id for workspace_id, of in rules.items() if any(rule.kind is kind for rule in of)]


# -- reading ---------------------------------------------------------------------------------------------------


async def _counts(
    conn: AsyncConnection, windows: Sequence[tuple[str, int, str]], now: datetime
) -> Mapping[tuple[str, int], Counts]:
    found: dict[tuple[str, int], dict[str, dict[str, int]]] = {}
    given = {
        "ids": [each[0] for each in windows],
        "windows": [each[1] for each in windows],
        "kinds": [each[2] for each in windows],
    }
    for row in await conn.execute(_COUNTS, given | {"every_s": EVERY.total_seconds(), "at": now}):
        kinds = found.setdefault((row.workspace_id, row.window_min), {})
        kinds.setdefault(row.kind, {})[row.key] = row.many
    return {which: _counts_of(kinds) for which, kinds in found.items()}


def _counts_of(kinds: Mapping[str, Mapping[str, int]]) -> Counts:
    answered, unanswered = kinds.get("answered", {}), kinds.get("unanswered", {})
    codes = sorted((answered.keys() | unanswered.keys()) - {""})
    return Counts(
        answered=max(0, sum(answered.values())),
        unanswered=max(0, sum(unanswered.values())),
        failed={code: many for code in codes if (many := answered.get(code, 0) + unanswered.get(code, 0)) > 0},
        timed=sum(kinds.get("timed", {}).values()),
        replies={int(bound): many for bound, many in kinds.get("reply", {}).items()},
        wishes=sum(kinds.get("wish", {}).values()),
    )


async def _numbers(conn: AsyncConnection, least: Mapping[str, int]) -> Mapping[str, list[Figure]]:
    """Numbers whose last calls, so many, have all failed for a reason that comes again with every call."""
    given = {"ids": list(least), "least": list(least.values()), "troubles": [str(code) for code in TROUBLES]}
    found: dict[str, list[Figure]] = {}
    for row in await conn.execute(_NUMBERS, given):
        details = _named(row.name)
        figure = Figure(value=float(row.calls), subject=row.id, calls=row.calls, code=row.code, details=details)
        found.setdefault(row.workspace_id, []).append(figure)
    return found


async def _webhooks(conn: AsyncConnection, now: datetime) -> Mapping[str, list[Figure]]:
    """Endpoints that accept nothing, and for how many minutes; `code`: they are switched off, and why."""
    found: dict[str, list[Figure]] = {}
    for row in await conn.execute(_WEBHOOKS, {"at": now}):
        details = {"host": host_of(row.url)}
        figure = Figure(value=round(row.minutes, 1), subject=row.id, code=row.off_reason, details=details)
        found.setdefault(row.workspace_id, []).append(figure)
    return found


async def _spend(conn: AsyncConnection, now: datetime) -> Mapping[str, Spent]:
    return {
        row.workspace_id: Spent(
            dollars=float(row.dollars),
            tokens=row.tokens,
            most_dollars=None if row.most_dollars is None else float(row.most_dollars),
            most_tokens=row.most_tokens,
        )
        for row in await conn.execute(_SPEND, {"day": now.astimezone(UTC).date()})
    }


async def _charges(conn: AsyncConnection, workspace_ids: Sequence[str], now: datetime) -> Mapping[str, list[Figure]]:
    """What carriers have charged today (UTC), by currency: of the prices that were told today."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    found: dict[str, list[Figure]] = {}
    for row in await conn.execute(_CHARGES, {"ids": list(workspace_ids), "since": midnight}):
        figure = Figure(value=row.millionths / MILLIONTHS, subject=row.currency, details={"currency": row.currency})
        found.setdefault(row.workspace_id, []).append(figure)
    return found


def _named(name: str) -> dict[str, str]:
    """What people call a number, unless that is how one calls it."""
    return {} if sum(letter.isdigit() for letter in name) >= 5 else {"name": name}


_COUNTS = text("""
    SELECT wanted.workspace_id, wanted.window_min, wanted.kind, found.key, found.many
    FROM unnest(CAST(:ids AS text[]), CAST(:windows AS integer[]), CAST(:kinds AS text[]))
            AS wanted (workspace_id, window_min, kind),
        LATERAL (
            SELECT key, sum(count)::bigint AS many FROM ended_counts
            WHERE ended_counts.workspace_id = wanted.workspace_id AND ended_counts.kind = wanted.kind
                AND ended_counts.ended_at
                    > CAST(:at AS timestamptz) - make_interval(mins => wanted.window_min, secs => :every_s)
            GROUP BY key HAVING sum(count) <> 0
        ) AS found
""")
# Of each number its last calls are looked up, by an index, and no more than the rule asks for.
_NUMBERS = text("""
    SELECT numbers.workspace_id, numbers.id, numbers.name, last.calls, last.code
    FROM unnest(CAST(:ids AS text[]), CAST(:least AS integer[])) AS wanted (workspace_id, least)
    JOIN numbers ON numbers.workspace_id = wanted.workspace_id,
        LATERAL (
            SELECT count(*)::integer AS calls, bool_and(code = ANY(:troubles)) AS is_in_trouble,
                (array_agg(code))[1] AS code
            FROM (
                SELECT coalesce(error ->> 'code', '') AS code FROM calls
                WHERE number_id = numbers.id AND direction = 'outbound' AND state = 'ended'
                    AND end_reason NOT IN ('canceled', 'expired')
                ORDER BY ended_at DESC LIMIT wanted.least
            ) AS each
        ) AS last
    WHERE last.is_in_trouble AND last.calls >= wanted.least
""")
# One that somebody has paused is in somebody's hands.
_WEBHOOKS = text("""
    SELECT workspace_id, id, url, off_reason,
        extract(epoch FROM CAST(:at AS timestamptz) - coalesce(failing_since, off_at))::float / 60 AS minutes
    FROM webhooks
    WHERE url IS NOT NULL AND removed_at IS NULL AND paused_at IS NULL
        AND (failing_since IS NOT NULL OR off_at IS NOT NULL)
""")
_SPEND = text("""
    SELECT coalesce(used.workspace_id, most.workspace_id) AS workspace_id, coalesce(used.dollars, 0) AS dollars,
        coalesce(used.tokens, 0) AS tokens, most.dollars AS most_dollars, most.tokens AS most_tokens
    FROM (SELECT * FROM model_spend WHERE day = CAST(:day AS date)) AS used
    FULL JOIN spend_limits AS most ON most.workspace_id = used.workspace_id
""")
_CHARGES = text("""
    SELECT wanted.workspace_id, found.currency, found.millionths
    FROM unnest(CAST(:ids AS text[])) AS wanted (workspace_id),
        LATERAL (
            SELECT key AS currency, sum(count)::bigint AS millionths FROM ended_counts
            WHERE ended_counts.workspace_id = wanted.workspace_id AND ended_counts.kind = 'charge'
                AND ended_counts.ended_at >= :since
            GROUP BY key HAVING sum(count) > 0
        ) AS found
""")
