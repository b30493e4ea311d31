"""The wrap-up of calls, made: background work, on no line and with no connection held while a model thinks."""
