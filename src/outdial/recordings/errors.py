"""What can go wrong with a store of recordings."""


class StoreUnreachable(Exception):
    """The store can't be asked, or refuses. Its text is the kind of error alone: a store's answer may hold addresses
    that let somebody in."""
