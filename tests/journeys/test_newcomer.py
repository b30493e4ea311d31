"""The newcomer's first hour in the terminal: the demo's call, an agent and a number of their own, a call from another
folder, and all of it stopped again. What is typed is what the command before told to type next."""

import re
from pathlib import Path

import pytest

from browser.demo import free_port
from terminal import Running, Terminal, home, terminal

AGENT = """
agent:
  name: Front desk
start: greet
steps:
  greet:
    say: Hello, this is the front desk.
    hang_up: true
"""
BUSY, NOBODY = "+12025550103", "+12025550107"


@pytest.fixture
def mine():
    with home() as folder:
        yield folder


def next_of(told: str) -> list[str]:
    """The commands that are told next."""
    _, found, rest = told.partition("Next")
    assert found, told
    return [line.strip() for line in rest.splitlines()[1:] if line.startswith("  ")]


def own_agent(demo: Running, here: Terminal) -> str:
    """From the demo's last words to an agent that is written and published; returns its id."""
    demo.wait_for("Dashboard:")
    example, create = (demo.wait_for(words).strip() for words in ("agents example", "agents create"))
    assert here.type(example).returncode == 0
    script = here.folder / "reminder.yaml"
    assert "Appointment reminder" in script.read_text()
    script.write_text(AGENT)
    made = here.type(create)
    assert made.returncode == 0, made.stderr
    (agent,) = re.findall(r"agent_\w+", made.stdout)
    return agent


def stop_it_all(here: Terminal, request: str, key: str) -> None:
    """No more dials, and nothing waits any more; then on again."""
    paused = here.run("pause", "--reason", "Enough for today")
    assert "Dialling is paused." in paused.stdout
    resume, cancel = next_of(paused.stderr)
    waiting = here.type(request, OUTDIAL_API_KEY=key)
    assert '"queued"' in waiting.stdout, waiting.stdout + waiting.stderr
    canceled = here.type(cancel, typed="y\n")
    assert "1 call waits" in canceled.stderr
    assert re.search(r"canceled +1\b", canceled.stdout)
    assert here.type(resume).returncode == 0


def test_the_first_hour(mine: Path):
    clone, here = terminal(mine, "clone"), terminal(mine, "elsewhere")
    settings = {"OUTDIAL_PORT": str(free_port())}
    with clone.server("demo", "--no-open", "--to", BUSY, up="Everything stays up", **settings) as demo:
        assert "ended: busy" in demo.wait_for("ended:")
        agent = own_agent(demo, here)
        assert list(here.folder.iterdir()) == [here.folder / "reminder.yaml"]  # no second database

        connected = here.run("numbers", "connect", "--simulated", "--agent", agent, typed="2\ny\n")
        assert connected.returncode == 0, connected.stderr
        assert "connected already" in connected.stderr  # the demo's own
        doctor, call, *_ = next_of(connected.stderr)
        assert "credentials are valid" in here.type(doctor).stdout
        refused = here.type(call)
        assert refused.returncode == 1
        (make_key,) = re.findall(r"make one with (.*), and type", refused.stderr)
        (key,) = re.findall(r"export OUTDIAL_API_KEY=(\S+)", here.type(make_key).stderr)

        called = here.type(call, OUTDIAL_API_KEY=key)
        assert called.returncode == 0, called.stdout + called.stderr
        assert "Agent   Hello, this is the front desk." in called.stdout
        assert "ended: completed, by the agent" in called.stdout
        (listen,) = next_of(called.stderr)
        heard = here.type(listen, OUTDIAL_API_KEY=key)
        assert heard.returncode == 0
        assert next(here.folder.glob("call_*.wav")).read_bytes()[:4] == b"RIFF"

        failed = here.type(call.replace("+12025550100", NOBODY), OUTDIAL_API_KEY=key)
        assert failed.returncode == 1
        assert "number_not_in_service" in failed.stdout
        assert "What to do next: Ask for another number" in failed.stderr

        stop_it_all(here, connected.stderr.partition("Or by HTTP:\n")[2], key)
        assert demo.interrupt() == 0, "".join(demo.said)
    lost = here.run("numbers", "list")
    assert "no server of yours runs" in lost.stderr
