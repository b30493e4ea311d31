"""A page, opened for somebody who sits in front of this computer."""

import os
import sys
import webbrowser


def open_in_browser(url: str) -> bool:
    """Whether there was a browser to open it in. Browsers in a terminal are left alone: they would take it over."""
    if not sys.stdout.isatty() or os.environ.get("CI") or not has_screen():
        return False
    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False


def has_screen() -> bool:
    """Whether windows can be opened here: not so in a container, or by SSH."""
    if sys.platform in ("darwin", "win32"):
        return "SSH_CONNECTION" not in os.environ
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
