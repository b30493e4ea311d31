"""Agents that are coroutines, written by the server's operator: in files beside the server, or in installed packages.

Their code runs in the server, so nobody makes one through the API, the pages or the commands.
"""
