"""What is written, as people say it aloud. Pure."""
