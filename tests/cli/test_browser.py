import sys

import pytest

from outdial.cli.browser import has_screen, open_in_browser


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({}, False), ({"DISPLAY": ":0"}, True), ({"WAYLAND_DISPLAY": "wayland-0"}, True)],
)
@pytest.mark.skipif(sys.platform != "linux", reason="macOS always has a screen")
def test_windows_need_a_display(monkeypatch, environment, expected):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert has_screen() is expected


def test_nothing_is_opened_where_nobody_sits(monkeypatch):
    """Output goes to a file or a pipe here."""
    monkeypatch.setenv("DISPLAY", ":0")
    assert open_in_browser("http://127.0.0.1:9/") is False
