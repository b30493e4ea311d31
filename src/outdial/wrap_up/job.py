"""The job that makes a call's wrap-up, and the one that finds those whose job was lost."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.agents.after.answer import Report
from outdial.agents.after.ask import NO_REPORT, NoReport, Spent, ask_for_report
from outdial.agents.after.ready import ready_after
from outdial.agents.after.request import Turn
from outdial.agents.llm.metering import SPEND_LIMIT
from outdial.agents.llm.vendors import UNUSABLE, ModelServers
from outdial.agents.spend_meters import SpendMeter
from outdial.calls.wrap_up_wanted import WRAP_UP
from outdial.calls.wrap_ups import (
    Cost,
    Failure,
    Made,
    TakenUp,
    WrapUpError,
    add_lost,
    give_back,
    put_off,
    take_up,
    wait_for_money,
    write_wrap_up,
)
from outdial.jobs.job import Job
from outdial.policy.spending import is_spent_now

logger = logging.getLogger(__name__)

EVERY_MINUTE = "* * * * *"
GIVE_BACK_S = 2.0  # for the database, when this process ends

GONE = Failure(code=WrapUpError.AGENT_GONE, message="The agent's version that talked is gone, or can't be read.")
NOT_USABLE = Failure(
    code=WrapUpError.MODEL_NOT_USABLE,
    message="This server has no key for the agent's model, or may not use its server: see OUTDIAL_MODEL_SERVERS.",
)
LIMIT = Failure(
    code=WrapUpError.SPEND_LIMIT,
    message="Models have cost the workspace today what they may: it is made tomorrow, or once the limit is raised.",
)


class WrapUps:
    """`meter`: of a workspace, by its id; what the wrap-ups of its calls cost counts there."""

    def __init__(self, engine: AsyncEngine, servers: ModelServers, meter: Callable[[str], SpendMeter]) -> None:
        self._engine = engine
        self._servers = servers
        self._meter = meter

    @property
    def jobs(self) -> Sequence[Job]:
        return (
            Job(name=WRAP_UP, run=self.make),
            Job(name="wrap_ups_lost", run=self.find_lost, every=EVERY_MINUTE),
        )

    async def make(self, *, call_id: str, round_: int) -> None:
        """May be done twice: what is made is written once."""
        taken = await take_up(self._engine, call_id, round_)
        if taken is None:
            return
        try:
            await self._make(taken)
        except asyncio.CancelledError:
            with suppress(SQLAlchemyError, TimeoutError):
                await asyncio.wait_for(asyncio.shield(give_back(self._engine, taken)), GIVE_BACK_S)
            raise

    async def find_lost(self) -> None:
        if lost := await add_lost(self._engine):
            logger.warning("Wrap-ups without a job found", extra={"wrap_ups": lost})

    async def _make(self, taken: TakenUp) -> None:
        turns = [Turn(one.number, one.speaker, one.text) for one in taken.turns]
        if not any(turn.speaker == "callee" for turn in turns):
            await write_wrap_up(self._engine, taken, Made(), Cost())
            return
        try:
            ready = await ready_after(
                self._engine, self._servers, self._meter, taken.agent_id, taken.agent_version
            )
        except (LookupError, ValueError):
            await self._put_off(taken, GONE, Spent(), for_good=True)
            return
        spent = Spent()
        if await is_spent_now(self._engine, ready.workspace_id):
            await wait_for_money(self._engine, taken, LIMIT, _cost(spent))
            return
        try:
            reported = await ask_for_report(ready.after, ready.models, turns, spent)
        except NoReport as none:
            if SPEND_LIMIT in none.words:
                await wait_for_money(self._engine, taken, LIMIT, _cost(spent))
                return
            unusable = set(none.words) <= UNUSABLE
            talks_nonsense = set(none.words) == {NO_REPORT} and taken.begun > 1  # it would go on, and cost
            message = f"The agent's model gave no report: {', '.join(none.words)}."
            failed = Failure(code=WrapUpError.MODEL_FAILED, message=message)
            await self._put_off(taken, NOT_USABLE if unusable else failed, spent, for_good=unusable or talks_nonsense)
            return
        await write_wrap_up(self._engine, taken, _made(reported.report, reported.model), _cost(spent))

    async def _put_off(self, taken: TakenUp, failure: Failure, spent: Spent, *, for_good: bool) -> None:
        fields = {"call_id": taken.call_id, "error": failure.code, "begun": taken.begun}
        logger.warning("Wrap-up not made", extra=fields)
        await put_off(self._engine, taken, failure, _cost(spent), for_good=for_good)


def _made(report: Report, model: str) -> Made:
    return Made(
        summary=report.summary,
        facts=[asdict(fact) | {"evidence": list(fact.evidence)} for fact in report.facts],
        outcome=report.outcome,
        outcome_evidence=report.outcome_evidence,
        unproved=report.unproved,
        model=model,
    )


def _cost(spent: Spent) -> Cost:
    return Cost(tokens=spent.tokens, dollars=spent.dollars)
