"""The pool of lines that a workspace's outbound and inbound calls share."""


def free_outbound(lines: int, reserved_inbound: int, used_outbound: int, used_inbound: int) -> int:
    """Lines an outbound call may take now."""
    return max(0, min(lines - used_outbound - used_inbound, lines - reserved_inbound - used_outbound))


def free_inbound(lines: int, used_outbound: int, used_inbound: int) -> int:
    """Lines an inbound call may take now: any, also those reserved for inbound calls."""
    return max(0, lines - used_outbound - used_inbound)
