"""Offline voices for German, French, Spanish and Italian: SVOX Pico, where the extra `languages` is installed."""
