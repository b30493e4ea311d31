"""The secrets of a workspace: given once, filled in where an agent's tools need them, and never shown again."""
