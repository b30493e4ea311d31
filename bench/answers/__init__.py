"""Who answered: a corpus of openings of calls, what is trained with it, and how well it does. See README.md beside."""
