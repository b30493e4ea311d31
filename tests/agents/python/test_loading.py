"""Where agents in Python are found, and what is said of those that can't be loaded."""

import sys
from importlib.metadata import EntryPoint

import pytest

from outdial.agents.python.description import located, parse_description
from outdial.agents.python.loading import find_agents, load_entry_point, load_file, states
from outdial.agents.script.model import ScriptError

HEAD = "from outdial import Call, agent\n\n\n"
ONE = HEAD + "@agent\nasync def one(call: Call, user_name: str = 'there') -> None:\n    await call.say('One.')\n"


@pytest.fixture
def write(tmp_path):
    def write(**files: str):
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
        return tmp_path

    return write


def test_a_file_has_its_agents_and_says_where_they_are(write):
    [agent] = load_file(write(one=ONE) / "one.py")
    assert (agent.name, agent.file, agent.line, agent.package) == ("one", "one.py", 4, None)
    stored = parse_description(agent.source)
    assert (stored.name, stored.file, stored.line, stored.fingerprint) == ("one", "one.py", 4, agent.fingerprint)
    assert stored.variables == {"user_name": "there"}
    assert stored.code is None
    assert located(agent.source) == "one.py"
    assert str(write()) not in agent.source, "a workspace has no business with the server's folders"


def test_another_state_of_the_file_is_another_version(write):
    folder = write(one=ONE)
    before = load_file(folder / "one.py")[0].source
    assert load_file(folder / "one.py")[0].source == before
    write(one=ONE + "# edited\n")
    assert load_file(folder / "one.py")[0].source != before


def test_a_file_that_changes_within_a_second_and_keeps_its_length_is_read_anew(write):
    folder = write(one=ONE)
    load_file(folder / "one.py")
    write(one=ONE.replace("'there'", "'again'"))
    assert load_file(folder / "one.py")[0].variables == {"user_name": "again"}
    assert not list(folder.glob("__pycache__"))


def test_a_folder_has_the_agents_of_its_files_but_for_tests_and_what_is_hidden(write):
    folder = write(
        one=ONE, two=ONE.replace("def one", "def two"), _shared="1/0", test_one="1/0", conftest="1/0", nothing="X = 1\n"
    )
    found = find_agents(folder, [])
    assert (sorted(found.agents), found.faults) == (["one", "two"], {})


def test_what_is_imported_from_elsewhere_is_no_agent_of_the_file(write):
    folder = write(one="from outdial_agents_test import two\n" + ONE)
    sys.modules["outdial_agents_test"] = module = type(sys)("outdial_agents_test")
    try:
        exec(ONE.replace("def one", "def two"), module.__dict__)
        module.two = module.__dict__["two"]  # type: ignore[attr-defined]
        assert [one.name for one in load_file(folder / "one.py")] == ["one"]
    finally:
        del sys.modules["outdial_agents_test"]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (HEAD + "async def broken(:\n", "bad.py, line 4: invalid syntax"),
        (HEAD + "\n\nimport nobody_has_this\n", "bad.py, line 6: ModuleNotFoundError: No module named"),
        (HEAD + "1 / 0\n", "bad.py, line 4: ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit(3)\n", "bad.py, line 2: SystemExit: 3"),
        (HEAD + "@agent\ndef bad(call: Call) -> None: ...\n", "bad.py, line 4: bad is no coroutine"),
        (HEAD + "@agent\nasync def bad(call: Call, x) -> None: ...\n", "bad.py, line 4: the variable 'x' of bad needs"),
        ("x = '\udcff'".encode("utf-8", "surrogateescape").decode("latin-1") + "\x00", "bad.py: "),
    ],
)
def test_a_broken_file_is_told_with_its_line_and_keeps_no_other_from_being_loaded(write, source, reason):
    folder = write(one=ONE)
    (folder / "bad.py").write_text(source, encoding="latin-1")
    found = find_agents(folder, [])
    assert sorted(found.agents) == ["one"]
    fault = found.faults["bad"]
    assert fault.reason.startswith(reason)
    with pytest.raises(ScriptError, match=r"bad\.py"):
        parse_description(fault.source)
    assert located(fault.source) == "bad.py"


def test_two_of_one_name_are_both_told_and_neither_is_taken(write):
    again = ONE.replace("from outdial", "# again\nfrom outdial")
    found = find_agents(write(one=ONE, other=again, third=ONE.replace("def one", "def third")), [])
    assert sorted(found.agents) == ["third"]
    assert found.faults["one"].reason == "two agents are named one: one.py, line 4 and other.py, line 5"


def test_three_of_one_name_are_no_better(write):
    found = find_agents(write(one=ONE, two=ONE, three=ONE), [])
    assert (dict(found.agents), list(found.faults)) == ({}, ["one"])


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "{user_name}", "<script>", "x" * 100])
def test_a_name_is_a_name_and_no_path(write, name):
    [agent] = load_file(write(one=ONE.replace("@agent", f"@agent(name={name!r})")) / "one.py")
    assert (agent.name, agent.file) == (name, "one.py")


def test_a_file_that_is_not_there_is_a_fault(tmp_path):
    found = find_agents(tmp_path / "gone.py", [])
    assert found.faults["gone"].reason == "gone.py: the file can't be read: No such file or directory"


def test_a_package_offers_agents_as_entry_points(write, monkeypatch):
    monkeypatch.syspath_prepend(write(acme_agents_of_test=ONE, acme_broken_of_test=HEAD + "1 / 0\n"))
    point = EntryPoint(name="one", value="acme_agents_of_test:one", group="outdial.agents")
    agent = load_entry_point(point)
    assert (agent.name, agent.file, agent.line) == ("one", "acme_agents_of_test:one", 4)
    assert agent.fingerprint.startswith("sha256 ")
    points = [
        point,
        EntryPoint(name="none", value="acme_agents_of_test:Call", group="outdial.agents"),
        EntryPoint(name="broken", value="acme_broken_of_test:one", group="outdial.agents"),
        EntryPoint(name="gone", value="acme_gone_of_test:one", group="outdial.agents"),
    ]
    found = find_agents(None, points)
    assert list(found.agents) == ["one"]
    assert {name: fault.reason.partition(": ")[2] for name, fault in found.faults.items()} == {
        "none": "acme_agents_of_test:Call is no agent: it has no @agent",
        "broken": "ZeroDivisionError: division by zero",
        "gone": "ModuleNotFoundError: No module named 'acme_gone_of_test'",
    }


def test_a_change_of_a_file_is_noticed(write):
    folder = write(one=ONE)
    before = list(states(folder))
    assert list(states(folder)) == before
    write(one=ONE + "# longer\n")
    assert list(states(folder)) != before
    (folder / "one.py").unlink()
    assert list(states(folder)) == []
