from outdial.workspaces.access import Role


def test_each_role_may_do_what_the_ones_below_it_may():
    assert [[role.includes(other) for other in Role] for role in Role] == [
        [True, True, True],
        [False, True, True],
        [False, False, True],
    ]
