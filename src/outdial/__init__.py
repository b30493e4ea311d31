"""Self-hosted outbound calling for AI voice agents."""

__version__ = "0.1.0"
