"""Nothing that Outdial uses tells its makers that it is used."""

import os
import subprocess
import sys
from pathlib import Path

from outdial.media.voice_activity import _session

FOLDERS = ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "TMPDIR")
SILENCED_BY = ("CI", "ORT_DISABLE_TELEMETRY")  # the first too: it is off where builds are tried
LOADS = f"from {_session.__module__} import _session; _session()"


def test_the_voice_detector_leaves_no_id_of_this_machine(tmp_path):
    """Whoever is to be told apart from others needs one: onnxruntime writes it before it sends anything."""
    home = tmp_path / "home"
    home.mkdir()
    environ = {name: value for name, value in os.environ.items() if name not in SILENCED_BY}
    run = subprocess.run(
        [sys.executable, "-c", LOADS],
        env=environ | dict.fromkeys(FOLDERS, str(home)) | {"PYTHONPATH": str(Path(__file__).parents[1] / "src")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    assert [path.name for path in home.rglob("*") if path.is_file()] == []
