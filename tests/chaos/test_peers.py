"""Whose a connection is."""

import os
import socket
import subprocess
import sys

from chaos.peers import Peers

CONNECTS = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
    print(connection.getsockname()[1], flush=True)
    sys.stdin.read()
"""


def test_a_connection_is_the_process_s_that_has_it_open():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-c", CONNECTS, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        try:
            assert process.stdout is not None
            peers = Peers()
            peers.add("gone", lambda: None)
            peers.add("here", os.getpid)
            peers.add("there", lambda: process.pid)
            theirs = int(process.stdout.readline())
            with socket.create_connection(("127.0.0.1", port)) as ours:
                assert ours.getsockname()[1] in peers.ports_of("here")
            assert theirs in peers.ports_of("there")
            assert theirs not in peers.ports_of("here")
        finally:
            process.communicate()
    assert peers.ports_of("there") == peers.ports_of("gone") == set()
