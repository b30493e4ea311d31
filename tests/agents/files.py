"""Sound files on calls in memory."""


def given(phone, sounds):
    """What there is to be played on its call."""
    if sounds is not None:
        phone.sounds.lengths_ms, phone.sounds.fail, phone.sounds.slow = sounds.lengths_ms, sounds.fail, sounds.slow
