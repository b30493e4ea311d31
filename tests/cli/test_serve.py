"""What `outdial serve` sees to before it serves."""

import pytest

from outdial import open_files
from outdial.cli import serve
from outdial.members.first_start import FirstStart
from outdial.roles import ROLES, Role

chosen: list[frozenset[Role]] = []  # the roles of each


@pytest.fixture
def started(monkeypatch):
    """Settings of servers that would have been started."""
    given = []
    chosen.clear()

    async def start(settings, roles, listeners, **_):
        given.append(settings)
        chosen.append(roles)

    monkeypatch.setattr(serve, "_serve", start)
    return given


def test_it_takes_all_the_files_it_may_and_says_where_they_are_few(outdial, started, monkeypatch):
    monkeypatch.setattr(open_files, "raise_limit", lambda: 300)
    result = outdial("serve")
    assert len(started) == 1
    assert '"message":"Open files limit is low","files":300,"enough":4096' in result.output
    monkeypatch.setattr(open_files, "raise_limit", lambda: 500_000)
    assert "Open files" not in outdial("serve").output


def test_a_misspelt_variable_is_told_and_no_reason_not_to_start(outdial, started):
    result = outdial("serve", env={"OUTDIAL_PUBLC_URL": "https://x.example"})
    assert '"variable":"OUTDIAL_PUBLC_URL","nearest":"OUTDIAL_PUBLIC_URL"' in result.output
    assert len(started) == 1


def test_a_link_is_told_where_somebody_looks_and_else_how_to_get_one():
    link = "https://voice.example/sign-in/x"
    assert link in serve.way_in(FirstStart(email="operator@localhost", link=link))
    told = serve.way_in(FirstStart(email="operator@localhost", link=None))
    assert told.endswith("outdial members link operator@localhost")


def test_a_process_has_the_roles_that_are_named_and_by_default_all(outdial, started):
    outdial("serve")
    outdial("serve", "--role", "media, api")
    assert chosen == [ROLES, {Role.MEDIA, Role.API}]


@pytest.mark.parametrize("given", ["medai", "", "media,", "media dispatch"])
def test_a_role_that_there_is_none_of_starts_nothing(outdial, started, given):
    result = outdial("serve", "--role", given)
    assert (result.exit_code, started) == (2, [])
    assert "is none of api, dispatch, media, jobs" in result.output
