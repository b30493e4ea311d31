"""The terminal, as somebody uses it: a server is started in one folder, and commands come from another one."""

import json
import re

from terminal import home, terminal

PUBLIC_URL = "https://voice.example"


def test_commands_in_another_folder_are_about_the_server_that_runs():
    with home() as mine:
        there, here = terminal(mine, "there"), terminal(mine, "here")
        with there.server("serve", up="doctor", OUTDIAL_PUBLIC_URL=PUBLIC_URL, OUTDIAL_PORT="0"):
            [run_file] = (mine / ".local/state/outdial/servers").iterdir()
            port = json.loads(run_file.read_text())["settings"]["port"]
            made = here.run("keys", "create", "laptop")
            assert made.returncode == 0, made.stderr
            assert f"Server: http://127.0.0.1:{port}, data in {there.folder}/.outdial" in made.stderr
            (key,) = re.findall(r"export OUTDIAL_API_KEY=(\S+)", made.stderr)
            link = here.run("members", "link", "operator@localhost", "--json")
            assert json.loads(link.stdout)["url"].startswith(f"{PUBLIC_URL}/sign-in/")
            called = here.run("call", "+12025550100", "--number", "num_1", OUTDIAL_API_KEY=key)
            assert "There is no phone number with this id" in called.stderr
            found = {each["subject"]: each["found"] for each in json.loads(here.run("doctor", "--json").stdout)}
            assert found["Server"].startswith(f"running and ready at http://127.0.0.1:{port}")
            assert found["Data directory"].startswith(f"{there.folder}/.outdial")
            assert PUBLIC_URL.removeprefix("https://") in found["Public address"]
        lost = here.run("keys", "list")
        assert lost.returncode == 1
        assert f"there is no Outdial database in {here.folder}/.outdial; no server of yours runs" in lost.stderr
        assert list(here.folder.iterdir()) == []
        assert list((mine / ".local/state/outdial/servers").iterdir()) == []
        assert "laptop" in there.run("keys", "list").stdout
