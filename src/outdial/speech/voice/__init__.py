"""Voices of vendors, whichever protocol they have: connections, utterances, every wait bounded."""
