"""What the terminal is told of a server that is up, one process or several."""

from outdial.cli.output import progress
from outdial.roles import Role
from outdial.settings import Settings


def tell_that_it_is_up(settings: Settings, roles: frozenset[Role]) -> None:
    base_url = settings.base_url
    if Role.API in roles:
        progress.print(f"[green]Outdial is up:[/] {base_url}  (API: {base_url}/docs)", soft_wrap=True)
    else:
        progress.print(f"[green]Outdial is up[/] with {', '.join(sorted(roles))}: {base_url}/readyz", soft_wrap=True)
    if settings.public_url is None:
        progress.print(
            "Carriers can't reach this address; set OUTDIAL_PUBLIC_URL to your https:// address.", soft_wrap=True
        )
    elif (believed := forwarding_told(settings)) is not None:
        progress.print(believed, soft_wrap=True)


def forwarding_told(settings: Settings) -> str | None:
    """Whose X-Forwarded-For is believed, in words, where nobody has said whose it should be."""
    if "trusted_proxies" in settings.model_fields_set:
        return None
    return (
        f"X-Forwarded-For is believed from {settings.trusted_proxies}, where a proxy on this machine comes from. If a "
        "raw tunnel (TCP, ssh -R) ends here, anybody may write that header: set OUTDIAL_TRUSTED_PROXIES= to nothing."
    )
