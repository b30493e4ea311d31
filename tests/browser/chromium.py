"""The system's Chromium, if it has one. Playwright's own isn't downloaded: one browser on a machine is enough."""

import os
import shutil
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WHY_NOT = (
    "no Chromium on this computer, so no page was looked at in a browser "
    "(apt install chromium, or set OUTDIAL_CHROMIUM to its path)"
)
FLAGS = [
    "--headless=new",
    "--no-sandbox",  # as root, in a container
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]


def chromium() -> str | None:
    given = os.environ.get("OUTDIAL_CHROMIUM")
    return given or next((path for name in NAMES if (path := shutil.which(name))), None)


def microphone(wav: Path) -> str:
    """The flag that lets the browser hear a file, again and again, in the place of a microphone."""
    return f"--use-file-for-fake-audio-capture={wav}"
