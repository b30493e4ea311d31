import pytest
from pydantic import ValidationError

from outdial.cli.server_up import forwarding_told
from outdial.settings import Settings
from outdial.unknown_settings import NO_SETTINGS, unknown_variables


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("OUTDIAL_PUBLICURL", "OUTDIAL_PUBLIC_URL"),
        ("OUTDIAL_DATABASE_URI", "OUTDIAL_DATABASE_URL"),
        ("OUTDIAL_TRUSTED_PROXY", "OUTDIAL_TRUSTED_PROXIES"),
        ("outdial_prot", "OUTDIAL_PORT"),
        ("OUTDIAL_ZZZZZZ", None),
    ],
)
def test_a_misspelt_variable_is_told_with_the_nearest_name(variable, nearest):
    assert unknown_variables([variable, "HOME", "OUTDIALX"]) == {variable: nearest}


def test_every_setting_is_known_in_either_case():
    names = [f"OUTDIAL_{name.upper()}" for name in (*Settings.model_fields, *NO_SETTINGS)]
    assert unknown_variables([*names, "outdial_port"]) == {}


def test_a_misspelt_variable_is_refused_by_nobody(monkeypatch):
    monkeypatch.setenv("OUTDIAL_PUBLC_URL", "https://x.example")
    assert Settings().public_url is None
    with pytest.raises(ValidationError):
        Settings(publc_url="https://x.example")


@pytest.mark.parametrize("days", ["-1", "", "a month", "0.5"])
def test_how_long_something_is_kept_is_told_in_whole_days(monkeypatch, days):
    monkeypatch.setenv("OUTDIAL_KEEP_CALLBACKS_DAYS", days)
    with pytest.raises(ValidationError, match="keep_callbacks_days"):
        Settings()


def test_whose_forwarded_addresses_are_believed_is_told_where_nobody_set_it(monkeypatch):
    assert "believed from 127.0.0.1" in (forwarding_told(Settings()) or "")
    assert forwarding_told(Settings(trusted_proxies="")) is None
    monkeypatch.setenv("OUTDIAL_TRUSTED_PROXIES", "10.0.0.0/8")
    assert forwarding_told(Settings()) is None


def test_model_servers_are_urls_with_keys(monkeypatch):
    assert Settings().model_keys == {}
    monkeypatch.setenv("OUTDIAL_MODEL_SERVERS", '{"https://api.openai.com/v1": "sk-1", "http://127.0.0.1:1/v1": ""}')
    settings = Settings()
    assert settings.model_keys == {"https://api.openai.com/v1": "sk-1", "http://127.0.0.1:1/v1": ""}
    assert "sk-1" not in repr(settings)


@pytest.mark.parametrize(
    "written", ["sk-secret", '["sk-secret"]', '{"api.openai.com": "sk-secret"}', '{"https://x": 1}']
)
def test_model_servers_that_can_not_be_read_are_refused_without_being_told(monkeypatch, written):
    monkeypatch.setenv("OUTDIAL_MODEL_SERVERS", written)
    with pytest.raises(ValidationError) as error:
        Settings()
    assert "sk-secret" not in str(error.value)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (None, "wss://voice.example"),
        ("wss://audio.example/2/", "wss://audio.example/2"),
        ("https://audio.example", "wss://audio.example"),
        ("http://127.0.0.1:8081", "ws://127.0.0.1:8081"),
    ],
)
def test_carriers_open_the_audio_at_the_stream_url_and_by_default_at_the_public_one(given, told):
    assert Settings(public_url="https://voice.example", stream_url=given).stream_base_url == told


@pytest.mark.parametrize("wrong", ["audio.example", "ftp://audio.example", "wss://audio.example/?x=1"])
def test_a_stream_url_is_one_of_a_websocket(wrong):
    with pytest.raises(ValidationError):
        Settings(stream_url=wrong)
