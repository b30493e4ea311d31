"""Variables of the environment that are named like settings and are none: a misspelt one would else do nothing."""

import difflib
from collections.abc import Iterable, Mapping

from outdial.settings import PREFIX, Settings

NO_SETTINGS = ("CONFIG", "API_KEY", "API_URL", "SIMULATOR_AUTH_TOKEN")  # what else is read from the environment


def unknown_variables(environ: Iterable[str]) -> Mapping[str, str | None]:
    """Variables named like settings that are none, each with the one it is most like, if it is like any."""
    known = {name.upper() for name in (*Settings.model_fields, *NO_SETTINGS)}
    unknown: dict[str, str | None] = {}
    for variable in environ:
        name = variable.upper().removeprefix(PREFIX)
        if name != variable.upper() and name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            unknown[variable] = PREFIX + nearest[0] if nearest else None
    return unknown
