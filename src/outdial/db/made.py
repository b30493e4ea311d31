"""Whether there is a database to look into. Light: each command asks, before it loads what works with one."""

import os

from outdial.settings import Settings


def is_made(settings: Settings) -> bool:
    """The operator's (which may be away or empty), or an embedded one. Looks only, and needs no rights but to look."""
    if settings.database_url is not None:
        return True
    from outdial.db.account import homes  # POSIX only

    return any(os.path.lexists(home / "cluster") for home in homes(settings.data_dir))
