import stat

import pytest

from outdial.settings import Settings
from outdial.workspaces.secrets import SecretBox, WrongSecretKey

CREDENTIALS = {"account_sid": "AC1", "auth_token": "tøken"}


def test_what_goes_in_comes_out_and_can_t_be_read_between():
    sealed = SecretBox("key").encrypt(CREDENTIALS)
    assert SecretBox("key").decrypt(sealed) == CREDENTIALS
    assert b"AC1" not in sealed


def test_another_key_is_told_apart_and_the_message_says_what_to_do():
    sealed = SecretBox("key").encrypt(CREDENTIALS)
    with pytest.raises(WrongSecretKey, match="OUTDIAL_SECRET_KEY"):
        SecretBox("other").decrypt(sealed)
    with pytest.raises(WrongSecretKey):
        SecretBox("key").decrypt(sealed[:-4] + b"AAAA")


def test_a_key_is_made_once_and_only_its_owner_may_read_it(tmp_path):
    settings = Settings(data_dir=tmp_path / "data")
    sealed = SecretBox.from_settings(settings).encrypt(CREDENTIALS)
    assert SecretBox.from_settings(settings).decrypt(sealed) == CREDENTIALS
    path = settings.data_dir / "secret_key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in settings.data_dir.iterdir()] == ["secret_key"]


def test_the_operator_s_own_key_leaves_nothing_on_disk(tmp_path):
    settings = Settings(data_dir=tmp_path / "data", secret_key="chosen")
    SecretBox.from_settings(settings)
    assert not settings.data_dir.exists()


def test_an_empty_key_file_is_an_error_and_not_a_key(tmp_path):
    (tmp_path / "secret_key").touch()
    with pytest.raises(RuntimeError, match="empty"):
        SecretBox.from_settings(Settings(data_dir=tmp_path))
