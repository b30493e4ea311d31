"""A customer who places calls without a pause, and keeps a book of what was asked and answered.

Whoever gets no answer asks again with the same Idempotency-Key, as often as it takes: that is what the key is for.
"""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from chaos.furnish import Furnished
from chaos.server import Server

TIMEOUT_S = 6.0
ASK_AGAIN_S = (0.2, 1.0)
HUMAN = 16  # and up: see chaos.carrier

# Who is called, and how often: callees of the simulator (docs/simulator.md) and their share.
CALLEES = {
    0: 6, 1: 1, 2: 2, 3: 2, 4: 2, 5: 2, 6: 1, 7: 1, 8: 1, 9: 1, 10: 1, 11: 2, 12: 1, 13: 3, 14: 1, 15: 1, HUMAN: 2
}  # fmt: skip
AGAIN = 0.1     # of the answered requests are sent once more: a customer who isn't sure
HUNG_UP = 0.08  # of the calls are hung up by their customer
DETECTED = 0.3  # are placed with answering machine detection
RETRIED = 0.25  # may be dialled again when nobody talked


@dataclass(slots=True, kw_only=True)
class Request:
    """One call that was asked for, with a key of its own. `call_ids` are those of all answers; `refused` is the last
    answer that was a no."""

    key: str
    to: str
    attempts: int  # how many dials were allowed
    sent: int = 0
    call_ids: list[str] = field(default_factory=list)
    refused: str | None = None

    @property
    def is_answered(self) -> bool:
        return bool(self.call_ids) or self.refused is not None


class Traffic:
    """Calls placed and calls that come in, while `run` goes on; then what is open is asked for to its end."""

    def __init__(self, furnished: Furnished, servers: Sequence[Server], simulator_url: str, seed: int) -> None:
        self._furnished = furnished
        self._servers = servers
        self._simulator_url = simulator_url
        self._random = random.Random(f"{seed} traffic")
        self.requests: list[Request] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._http = httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_S)

    async def run(self, calls_per_second: float) -> None:
        """Until it is cancelled."""
        while True:
            self._start(self._place(self._request()))
            if self._random.random() < 0.12:
                self._start(self._call_in())
            await asyncio.sleep(self._random.expovariate(calls_per_second))

    async def finish(self, within_s: float) -> None:
        """What was asked for and not answered goes on being asked for, so long at most."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=within_s)

    async def aclose(self) -> None:
        for task in self._tasks:
            task.cancel()
        await self._http.aclose()

    @property
    def accepted(self) -> int:
        return sum(bool(request.call_ids) for request in self.requests)

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _request(self) -> Request:
        rng, serial = self._random, len(self.requests)
        callee = rng.choices(list(CALLEES), list(CALLEES.values()))[0]
        attempts = 2 if rng.random() < RETRIED else 1
        key, to = f"key-{serial}-{rng.getrandbits(32):08x}", f"+1555{serial % 100_000:05}{callee:02}"
        request = Request(key=key, to=to, attempts=attempts)
        self.requests.append(request)
        return request

    async def _place(self, request: Request) -> None:
        rng = self._random
        number_id = rng.choice(self._furnished.number_ids)
        body: dict[str, Any] = {"to": request.to, "metadata": {"key": request.key}, "variables": {"user_name": "Jane"}}
        if rng.random() < DETECTED:
            body["amd"] = True
        if request.attempts > 1:
            delays = {"max_attempts": request.attempts, "delays_s": [3]}
            body["retry"] = {**delays, "on": ["busy", "no_answer", "declined", "silent", "failed"]}
        hang_up_after_s = rng.uniform(0.5, 8.0) if rng.random() < HUNG_UP else None
        again = rng.random() < AGAIN
        await self._ask(request, number_id, body)
        if again and request.call_ids:
            await self._ask(request, number_id, body)
        if hang_up_after_s is not None and request.call_ids:
            await asyncio.sleep(hang_up_after_s)
            await self._hang_up(request.call_ids[0])

    async def _ask(self, request: Request, number_id: str, body: dict[str, Any]) -> None:
        headers = {"Authorization": self._furnished.key, "Idempotency-Key": request.key}
        while True:
            request.sent += 1
            url = f"{self._random.choice(self._servers).base_url}/v1/phone-number/{number_id}/outbound"
            try:
                answer = await self._http.post(url, json=body, headers=headers)
                told = answer.json()
            except (httpx.HTTPError, ValueError):  # no answer, or none of Outdial's
                pass
            else:
                if answer.status_code == 200:
                    request.call_ids.append(told["call_id"])
                    return
                if not _is_passing(answer):
                    request.refused = f"{answer.status_code} {told.get('type', '').rpartition(':')[2]}"
                    return
            await asyncio.sleep(self._random.uniform(*ASK_AGAIN_S))

    async def _hang_up(self, call_id: str) -> None:
        """As a customer does it: once more when there was no answer, and then it is given up."""
        for _ in range(5):
            url = f"{self._random.choice(self._servers).base_url}/v1/calls/{call_id}/hang-up"
            try:
                answer = await self._http.post(url, headers={"Authorization": self._furnished.key})
                if not _is_passing(answer):
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(self._random.uniform(*ASK_AGAIN_S))

    async def _call_in(self) -> None:
        rng = self._random
        body = {
            "to": rng.choice(self._furnished.numbers),
            "from": f"+1556{rng.randrange(10_000_000):07}",
            "callee": rng.choice(["00", "01", "11", "13"]),
        }
        with suppress(httpx.HTTPError):
            await self._http.post(f"{self._simulator_url}/_simulator/inbound", json=body)


def _is_passing(answer: httpx.Response) -> bool:
    """Whether the same may be asked again: the server is in trouble, or busy with the very same key."""
    if answer.status_code >= 500 or answer.status_code == 429:
        return True
    return answer.status_code == 409 and "idempotency_in_progress" in answer.text
