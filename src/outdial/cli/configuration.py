"""The settings of a command, and logging as they say."""

from typing import Any

from outdial import logs
from outdial.cli.failures import CommandFailed
from outdial.settings import Settings


def load_settings(**given: Any) -> Settings:
    """The settings of this process (`given` ones first), with logging set up as they say."""
    settings = Settings(**given)
    try:
        logs.set_up(settings.log_level)
    except ValueError:
        raise CommandFailed("OUTDIAL_LOG_LEVEL: must be debug, info, warning or error") from None
    return settings
