"""A server and a carrier, each a process on a core of its own, over a fresh database."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from bench import machine
from bench.audio import callee_audio
from bench.callee import Manner
from bench.processes import Child
from outdial.db.embedded import EmbeddedPostgres

ACCOUNT = {"account_sid": "AC" + "b" * 32, "auth_token": "bench-auth-token"}
WAIT_S = 30.0
MODEL_URL = "MODEL_URL"
AUDIO = "callee.json"
VENDORS = ("deepgram", "cartesia")

# The agent speaks at once: a callee that is slow to say hello would be measured, too.
TALK = """
greet: at_once
agent:
  name: Talk
start: greeting
steps:
  greeting:
    say: Hello, this is the automated assistant of Riverside Dental.
    goto: question
  question:
    ask: Does your appointment at ten thirty still work for you?
    wait_s: 10
    answers:
      - words: [yes]
        goto: question
"""


class Scene:
    """What a measurement works with. `work` counts CPU and memory of both sides and of PostgreSQL."""

    def __init__(
        self,
        server: Child,
        carrier: Child,
        postgres: psutil.Process,
        model: Child | None,
        vendors: Child | None,
        *,
        preferred: bool,
    ) -> None:
        self.server = server
        self.model = model
        self.vendors = vendors
        self.carrier = carrier
        self._postgres = postgres
        self._preferred = preferred
        self.placed = 0
        self.database_url = ""
        self.base_url = self.number_id = self.key = ""
        self._reach()

    def _reach(self) -> None:
        hello = self.server.hello
        self.base_url, self.number_id, self.key = hello["base_url"], hello["number_id"], hello["key"]
        self.api = httpx.Client(
            base_url=self.base_url, headers={"Authorization": self.key}, trust_env=False, timeout=30
        )

    def place_calls(self, count: int, **asked: Any) -> list[str]:
        """Through the API, one after the other; returns their ids. `asked`: what their requests say beside `to`."""
        ids = []
        for _ in range(count):
            self.placed += 1
            body = {"to": f"+1555{self.placed:07}", **asked}
            response = self.api.post(f"/v1/phone-number/{self.number_id}/outbound", json=body)
            response.raise_for_status()
            ids.append(response.json()["call_id"])
        return ids

    def wait_for_streams(self, count: int) -> None:
        wait_until(lambda: self.carrier.ask("calls") >= count, f"{count} media streams")

    def prefer(self) -> None:
        """Where that was asked for, let all of it go before other work. Again once the database's connections are
        made: each is a process with a session of its own."""
        if self._preferred:
            others = [child.pid for child in (self.model, self.vendors) if child is not None]
            for pid in (self.carrier.pid, self.server.pid, self._postgres.pid, *others):
                machine.prefer(pid)
            for process in self._postgres.children():
                machine.prefer(process.pid)

    def watch(self) -> machine.Watch:
        watched = {"server": [self.server.pid], "carrier": [self.carrier.pid], "postgresql": [self._postgres.pid]}
        simulated = [child.pid for child in (self.model, self.vendors) if child is not None]
        return machine.Watch({**watched, "simulated": simulated})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Everything but the server: a fresh database and a carrier. `data_dir` is gone when the measurement is over."""

    data_dir: Path
    database_url: str
    postgres: psutil.Process
    carrier: Child


@contextmanager
def fresh_database() -> Iterator[tuple[Path, EmbeddedPostgres]]:
    """A data directory, which is gone afterwards, and the PostgreSQL in it, to be started."""
    data_dir = Path(tempfile.mkdtemp(prefix="outdial-bench-"))
    data_dir.chmod(0o755)  # PostgreSQL may run as a user of its own
    postgres = EmbeddedPostgres(data_dir)
    try:
        yield data_dir, postgres
    finally:
        postgres.stop()
        shutil.rmtree(data_dir, ignore_errors=True)


@contextmanager
def stage(manner: Manner) -> Iterator[Stage]:
    """PostgreSQL isn't pinned: it runs wherever the system puts it, as it does in production on one host."""
    with fresh_database() as (data_dir, postgres):
        audio = data_dir / AUDIO
        audio.write_text(callee_audio())
        database_url = postgres.start()
        process = postgres.postmaster()
        assert process is not None
        core = machine.CARRIER_CORE if machine.can_pin() else None
        config = {"core": core, "manner": manner, "audio": str(audio), **ACCOUNT}
        carrier = Child("bench.carrier", config, data_dir / "carrier.log")
        try:
            yield Stage(data_dir=data_dir, database_url=database_url, postgres=process, carrier=carrier)
        finally:
            carrier.stop()


@contextmanager
def scene(
    *,
    manner: Manner,
    speech: str = "instant",
    script: str = TALK,
    announce: bool = False,
    trace: bool = False,
    pin_server: bool = True,
    calls_per_second: int = 1000,
    preferred: bool = False,
    vendors: bool = False,
) -> Iterator[Scene]:
    """`preferred`: server, carrier and database go before other work on the machine. A script with MODEL_URL in it has
    a model, on the carrier's core, whose URL takes that place. `vendors`: those of speech are simulated there, too."""
    with stage(manner) as staged, model_for(script, staged, tagged=vendors) as model, ExitStack() as also:
        url = "" if model is None else model.hello["url"]
        spoken = also.enter_context(simulated_vendors(staged)) if vendors else None
        config = {
            "core": machine.SERVER_CORE if machine.can_pin() and pin_server else None,
            "data_dir": str(staged.data_dir),
            "database_url": staged.database_url,
            "carrier_url": staged.carrier.hello["url"],
            "speech": speech,
            "script": script.replace(MODEL_URL, url),
            "model_url": url,
            "speech_vendors": {} if spoken is None else {name: {"key": "k", **spoken.hello} for name in VENDORS},
            "announce": announce,
            "trace": trace,
            "calls_per_second": calls_per_second,
            **ACCOUNT,
        }
        server = Child("bench.server", config, staged.data_dir / "server.log")
        made = Scene(server, staged.carrier, staged.postgres, model, spoken, preferred=preferred)
        made.database_url = staged.database_url
        try:
            made.prefer()
            yield made
        finally:
            made.api.close()
            server.stop()


@contextmanager
def model_for(script: str, staged: Stage, *, tagged: bool = False) -> Iterator[Child | None]:
    if MODEL_URL not in script:
        yield None
        return
    with _beside(staged, "bench.model", tagged=tagged) as model:
        yield model


@contextmanager
def simulated_vendors(staged: Stage) -> Iterator[Child]:
    with _beside(staged, "bench.vendors.process", audio=str(staged.data_dir / AUDIO)) as vendors:
        yield vendors


@contextmanager
def _beside(staged: Stage, module: str, **config: Any) -> Iterator[Child]:
    """A process on the carrier's core."""
    core = machine.CARRIER_CORE if machine.can_pin() else None
    child = Child(module, {"core": core, **config}, staged.data_dir / f"{module}.log")
    try:
        yield child
    finally:
        child.stop()


def wait_until(done: Callable[[], bool], what: str, timeout_s: float = WAIT_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {what} after {timeout_s:g} s")
        time.sleep(0.1)
