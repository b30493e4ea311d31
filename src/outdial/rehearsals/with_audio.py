"""Rehearsals with audio: callees' lines are spoken, come through a telephone line with its noise, and are recognised;
when anybody speaks the real turn-taking decides. Time is virtual: a call takes a few seconds.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from outdial.rehearsals.model import TELEVISION, Rehearsal
from outdial.rehearsals.run import Rehearsed, SpokenLine, Tried, budget, held, in_words
from outdial.testing import virtual_time
from outdial.testing.audio_call import MAX_CALL_S, AudioCall, AudioEngines
from outdial.testing.line_audio import Line

LONGEST_S = 120.0  # of one call, on a machine that is busy

# What a television says that stands behind the callee.
NEWS = (
    "The council has met this evening to talk about the new bridge. Work on it will begin in the spring, and is to "
    "take two years. Now to the weather: it will be cold and dry until the weekend, with a little rain near the coast."
)


def rehearse_with_audio(
    tried: Tried, rehearsals: Iterable[Rehearsal], engines: AudioEngines
) -> Iterator[Rehearsed]:
    """One call after the other. Not inside an event loop."""
    for one in rehearsals:
        yield virtual_time.run(_rehearse(tried, one, engines))


async def _rehearse(tried: Tried, rehearsal: Rehearsal, engines: AudioEngines) -> Rehearsed:
    call = AudioCall(
        (line for line, _ in rehearsal.callee),
        engines,
        variables=rehearsal.variables,
        line=_line(rehearsal.noise),
        reading=tried.agent.reading,
        limits=replace(budget(LONGEST_S), seconds=MAX_CALL_S),
    )
    done = await held(tried, call, rehearsal, call.hold)
    spoken = tuple(
        SpokenLine(line=rehearsal.callee[one.line][1], said=one.said, heard=one.heard, reply_ms=one.reply_ms)
        for one in call.understood
    )
    misheard = [one for one in spoken if one.is_misheard]
    wrong = done.wrong
    if wrong is not None and misheard:
        wrong = f"{wrong}; before that, {_misheard(misheard[0])}"
    return replace(done, wrong=wrong, spoken=spoken)


def _line(noise: float | str | None) -> Line:
    match noise:
        case float() | int():
            return Line(noise_db=noise)
        case str() if noise == TELEVISION:
            return Line(behind=NEWS)
    return Line()


def _misheard(spoken: SpokenLine) -> str:
    heard = f"as {in_words(spoken.heard)}" if spoken.heard else "not at all"
    return f"{in_words(spoken.said)} on line {spoken.line} was heard {heard}"
