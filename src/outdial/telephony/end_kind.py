"""How a call has ended, in as few words as a chart has colours."""

from enum import StrEnum


class EndKind(StrEnum):
    """Every ended call is of one kind: its end reason, but that `completed` calls are told apart by who answered."""

    COMPLETED = "completed"                      # by a person, or nobody looked who it was
    MACHINE = "machine"                          # a machine, an announcement of the network or a fax answered
    NO_ANSWER = "no_answer"
    BUSY_OR_DECLINED = "busy_or_declined"
    FAILED = "failed"
    CANCELED_OR_EXPIRED = "canceled_or_expired"
