"""Where a demo lives: a data directory, ports and settings of its own, never those of a real installation."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from outdial.cli.failures import CommandFailed
from outdial.cli.output import progress
from outdial.cli.processes import a_free_port, local_url
from outdial.settings import Settings


@contextmanager
def own_data_dir(data_dir: Path) -> Iterator[Path]:
    """<data_dir>/demo, or demo-2, … while other demos run."""
    for name in ("demo", *(f"demo-{number}" for number in range(2, 10))):
        folder = (data_dir / name).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            if name != "demo":
                progress.print(f"Another demo is running; this one keeps its data in {folder}.")
            yield folder
            return
    raise CommandFailed("nine demos are running already; stop one with Ctrl-C")


def only_demo(settings: Settings) -> Settings | None:
    """The settings of the demo, where nothing but demos was ever started with these."""
    folder = settings.data_dir
    if settings.database_url is not None or not (folder / "demo" / "lock").exists():
        return None
    if any(path.name != "demo" and not path.name.startswith("demo-") for path in folder.iterdir()):
        return None
    return settings.model_copy(update={"data_dir": (folder / "demo").absolute()})


def demo_settings(wanted: Settings, data_dir: Path) -> Settings:
    """The demo's own settings, for this process and its children: it never touches another database or key."""
    port = a_free_port(wanted.host, wanted.port)
    if port != wanted.port != 0:
        progress.print(f"Port {wanted.port} is taken; this demo uses {port}.")
    for name in [name for name in os.environ if name.startswith("OUTDIAL_")]:
        del os.environ[name]
    os.environ |= {
        "OUTDIAL_CONFIG": os.devnull,
        "OUTDIAL_DATA_DIR": str(data_dir),
        "OUTDIAL_HOST": wanted.host,
        "OUTDIAL_PORT": str(port),
        "OUTDIAL_PUBLIC_URL": local_url(wanted.host, port),
        "OUTDIAL_LOG_LEVEL": wanted.log_level,
    }
    return Settings()
