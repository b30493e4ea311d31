import json
import socket
from importlib import metadata

import httpx
import pytest
from pydantic import SecretStr

from outdial.cli import check_database, check_machine, check_network, check_store
from outdial.cli.findings import Status
from outdial.db.pooler import limit_sessions
from outdial.settings import Settings
from outdial.speech import closed_answers
from pgbouncer import PgBouncer, forget_limits, needs_pgbouncer


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path, port=0)


def answering(response: httpx.Response) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.MockTransport(lambda _: response))


def test_all_is_well_on_a_set_up_machine(outdial):
    assert outdial("workspaces", "list").exit_code == 0
    result = outdial("doctor", "--json", env={"OUTDIAL_PORT": "0"})
    findings = {finding["subject"]: finding for finding in json.loads(result.stdout)}
    assert findings["Database"]["status"] == "ok"
    assert findings["Traces"]["found"] == "off: no OTEL_EXPORTER_OTLP_ENDPOINT"
    assert findings["Carriers"]["todo"] == "outdial numbers connect --help"
    assert result.exit_code == 0


def test_a_database_that_can_not_be_reached_is_essential(outdial):
    url = "postgresql://user:secret@127.0.0.1:1/none"
    result = outdial("doctor", env={"OUTDIAL_DATABASE_URL": url, "OUTDIAL_PORT": "0"})
    assert result.exit_code == 1
    assert "OUTDIAL_DATABASE_URL" in result.stdout
    assert "secret@" not in result.output


def test_a_schema_of_another_version_is_found(empty_database_url, outdial):
    result = outdial("doctor", "--json", env={"OUTDIAL_DATABASE_URL": empty_database_url, "OUTDIAL_PORT": "0"})
    [database] = [finding for finding in json.loads(result.stdout) if finding["subject"] == "Database"]
    assert (database["status"], database["todo"]) == ("warn", "Start outdial serve: it brings them up to date.")


@needs_pgbouncer
async def test_it_is_told_where_the_urls_of_the_database_lead(database_url, readable_folder):
    async def told(url, direct=None):
        given = {"database_url": SecretStr(url)} | ({"direct_database_url": SecretStr(direct)} if direct else {})
        return [finding async for finding in check_database.ways(Settings(**given))]

    pooler = PgBouncer(readable_folder, database_url).start()
    try:
        assert await told(database_url) == []
        [alone] = await told(pooler.url)
        assert (alone.status, "transaction mode" in alone.found) == (Status.FAIL, True)
        assert "OUTDIAL_DIRECT_DATABASE_URL=" in alone.todo
        [bare] = await told(pooler.url, database_url)
        assert (bare.status, "lock_timeout" in bare.found) == (Status.WARN, True)
        assert "idle_in_transaction_session_timeout = '5s'" in bare.todo
        await limit_sessions(pooler.url)
        [good] = await told(pooler.url, database_url)
        assert (good.status, good.found) == (
            Status.OK,
            "OUTDIAL_DATABASE_URL leads to a pooler in transaction mode; "
            "OUTDIAL_DIRECT_DATABASE_URL leads to PostgreSQL itself",
        )
    finally:
        pooler.stop()
        forget_limits(database_url)


async def test_an_embedded_database_that_is_not_made_yet_is_no_fault(settings):
    [finding] = [finding async for finding in check_database.database(settings)]
    assert finding.status is Status.OK
    assert not (settings.data_dir / "postgres").exists()


def test_a_second_opinion_that_is_missing_is_told_with_what_is_lost(monkeypatch):
    missing = "pocketsphinx isn't installed; install it with: pip install pocketsphinx"
    monkeypatch.setattr(closed_answers, "available", lambda: missing)
    [finding] = [finding for finding in check_machine.speech() if finding.subject == "Second opinion"]
    assert (finding.status, finding.todo) == (Status.WARN, missing)
    assert "asked for again" in finding.found
    monkeypatch.setattr(closed_answers, "available", lambda: None)
    monkeypatch.setattr(metadata, "version", lambda package: f"1.0 of {package}")
    assert check_machine.second_opinion().found == "pocketsphinx 1.0 of pocketsphinx, offline"


def test_a_secret_key_that_others_can_read_is_found(settings):
    key = settings.data_dir / "secret_key"
    key.write_text("secret")
    key.chmod(0o644)
    assert check_machine.secret_key(settings).todo == f"chmod 600 {key}"
    key.chmod(0o600)
    assert check_machine.secret_key(settings).status is Status.OK


@pytest.mark.parametrize(
    ("url", "status", "found"),
    [
        (None, None, None),
        ("file://{}/store", Status.OK, "takes, gives back and deletes"),
        ("file:///dev/null/store", Status.FAIL, "is no store"),
        ("s3://nobody/there", Status.FAIL, "can't be used from here"),
    ],
)
async def test_a_store_of_recordings_is_tried(tmp_path, monkeypatch, url, status, found):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "secret-of-a-store")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    findings = await check_store.store(Settings(data_dir=tmp_path, store_url=url and url.format(tmp_path)))
    assert [finding.status for finding in findings] == ([] if status is None else [status])
    for finding in findings:
        assert found in finding.found
        assert "secret-of" not in f"{finding.found} {finding.todo}"
    assert not list(tmp_path.rglob("outdial-probe"))


def test_a_data_directory_below_a_file_is_found(tmp_path):
    (tmp_path / "file").write_text("")
    assert check_machine.data_dir(Settings(data_dir=tmp_path / "file" / "data")).status is Status.FAIL


@pytest.mark.parametrize(("version", "status"), [((3, 10), Status.FAIL), ((3, 12), Status.OK), ((3, 14), Status.FAIL)])
def test_the_python_version_is_checked(version, status):
    assert check_machine.python(version).status is status


async def test_a_port_taken_by_something_else_is_found(settings):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = settings.model_copy(update={"port": other.getsockname()[1]})
        async with answering(httpx.Response(404)) as http:
            assert (await check_network.server(taken, http)).status is Status.FAIL
        async with answering(httpx.Response(200)) as http:
            assert (await check_network.server(taken, http)).status is Status.OK


@pytest.mark.parametrize(
    ("url", "response", "status"),
    [
        (None, httpx.Response(200), Status.WARN),
        ("http://voice.example", httpx.Response(200), Status.WARN),
        ("https://voice.example", httpx.Response(200, json={"status": "ok"}), Status.OK),
        ("https://voice.example", httpx.Response(200, text="welcome to nginx"), Status.WARN),
        ("https://voice.example", httpx.Response(502), Status.WARN),
    ],
)
async def test_the_public_address_has_to_reach_us(settings, url, response, status):
    async with answering(response) as http:
        finding = await check_network.public_url(settings.model_copy(update={"public_url": url}), http)
    assert finding.status is status
    assert (finding.todo is None) == (status is Status.OK)


def test_a_low_limit_of_open_files_is_found():
    low = check_machine.files(1024)
    assert (low.status, low.found) == (Status.WARN, "a process may open 1,024")
    assert "LimitNOFILE" in low.todo
    assert check_machine.files(4096).status is Status.OK


def test_a_misspelt_setting_is_found_with_the_one_it_is_like():
    environ = {"OUTDIAL_PUBLC_URL": "https://x.example", "OUTDIAL_PORT": "1", "PATH": "", "OUTDIAL_XQZ": ""}
    found = check_machine.variables(environ)
    assert [(each.status, each.found.split()[0], each.todo) for each in found] == [
        (Status.WARN, "OUTDIAL_PUBLC_URL", "Did you mean OUTDIAL_PUBLIC_URL?"),
        (Status.WARN, "OUTDIAL_XQZ", "Look for its name in the README, under Settings."),
    ]
