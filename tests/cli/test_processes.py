from outdial.cli.processes import a_listener


def test_two_who_want_one_port_at_once_get_two():
    with a_listener("127.0.0.1", 0) as first:
        wanted = first.getsockname()[1]
        with a_listener("127.0.0.1", wanted) as second:
            assert second.getsockname()[1] not in (0, wanted)
