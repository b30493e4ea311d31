"""One place says which version this is; the wheel, the command and the API say the same, and the wheel is whole."""

import email
import re
import runpy
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest
from hatchling.builders.wheel import WheelBuilder

from outdial import __version__
from outdial.carriers.http import RestClient
from outdial.carriers.twilio.errors import from_reply
from outdial.cli.api_client import ApiClient

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "outdial"
RELEASE = runpy.run_path(str(ROOT / ".github" / "release_notes.py"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    [path] = WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("dist")))
    return zipfile.ZipFile(path)


def test_the_wheel_is_of_this_version(wheel):
    assert Path(wheel.filename).name == f"outdial-{__version__}-py3-none-any.whl"
    metadata = email.message_from_bytes(wheel.read(f"outdial-{__version__}.dist-info/METADATA"))
    assert metadata["Version"] == __version__


def test_the_wheel_has_every_file_of_the_package(wheel):
    """Templates, scripts and styles of the dashboard, examples and migrations are no modules, and easily left out."""
    files = [path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    expected = {path.relative_to(PACKAGE.parent).as_posix() for path in files}
    packed = {name for name in wheel.namelist() if not name.startswith(f"outdial-{__version__}.dist-info/")}
    assert packed == expected
    assert {Path(name).suffix for name in packed} >= {".py", ".html", ".css", ".js", ".yaml", ".mako"}


def test_the_command_says_this_version():
    said = subprocess.run([sys.executable, "-m", "outdial", "--version"], check=True, capture_output=True, text=True)
    assert said.stdout == f"outdial {__version__}\n"


async def test_carriers_and_servers_are_told_this_version_by_whoever_asks_them():
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers["User-Agent"])
        return httpx.Response(200, json={"calls": []})

    transport = httpx.MockTransport(answer)
    await RestClient("It", "https://carrier.example", from_reply, transport=transport).send("GET", "/")
    await ApiClient("https://voice.example", "key", transport=transport).list_calls()
    assert asked == [f"outdial/{__version__}"] * 2


def test_a_release_needs_the_same_version_in_tag_and_changelog():
    notes, not_ready = RELEASE["notes"], RELEASE["NotReady"]
    changelog = "## 1.1.0 - Unreleased\n\n- New\n\n## 1.0.0 - 2026-01-31\n\n- Old\n\n## 0.9.0 - 2025-12-24\n"
    assert RELEASE["version"]() == __version__
    assert notes("v1.0.0", "1.0.0", changelog) == "- Old"
    for tag, version in (("v1.0.1", "1.0.0"), ("v1.1.0", "1.1.0"), ("v2.0.0", "2.0.0"), ("v0.9.0", "0.9.0")):
        with pytest.raises(not_ready):
            notes(tag, version, changelog)


def test_the_changelog_has_a_section_of_this_version_and_dates_of_all_before():
    sections = re.findall(r"^## (\S+) - (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    (newest, released_at), *earlier = sections
    assert newest == __version__.partition(".dev")[0]
    assert (released_at == "Unreleased") == (".dev" in __version__)
    assert earlier[-1] == ("0.1.0", "2026-11-23")
    assert all(re.fullmatch(r"\d{4}-\d{2}-\d{2}", date) for _, date in earlier)
