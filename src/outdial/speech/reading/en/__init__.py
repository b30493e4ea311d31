"""English: its words, and what is read how."""
