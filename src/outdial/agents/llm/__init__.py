"""Agents that a language model talks for. Only vendors.py knows the library that reaches models, and imports it when
such an agent is used."""
