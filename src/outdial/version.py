"""Which Outdial this is."""

__version__ = "0.2.0.dev0"  # the one place: the wheel, `outdial --version`, OpenAPI and USER_AGENT read it here

USER_AGENT = f"outdial/{__version__}"  # how we call ourselves in requests to others
