"""Websockets to speech vendors: opened ahead, opened again when lost, and why a vendor failed."""
