import stat

import pytest

from outdial.settings import Settings
from outdial.workspaces.secrets import SecretBox, WrongSecretKey, add_key, key_file, read_keys, write_keys

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


def test_a_new_key_goes_above_the_old_one_which_still_reads(tmp_path):
    settings = Settings(data_dir=tmp_path)
    old = SecretBox.from_settings(settings)
    add_key(settings)
    path = key_file(settings)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    both = SecretBox.from_settings(settings)
    assert both.decrypt(old.encrypt(CREDENTIALS)) == CREDENTIALS
    assert both.key_ids[1:] == old.key_ids
    assert SecretBox.from_settings(settings) is both, "one for all of the process, which seals as the first says"
    write_keys(path, read_keys(settings)[:1])
    with pytest.raises(WrongSecretKey):
        SecretBox.from_settings(settings).decrypt(old.encrypt(CREDENTIALS))


def test_the_key_before_may_stand_in_a_variable(tmp_path):
    settings = Settings(data_dir=tmp_path, secret_key="new", old_secret_key="old")
    assert read_keys(settings) == ("new", "old")
    assert read_keys(Settings(data_dir=tmp_path, secret_key="same", old_secret_key="same")) == ("same",)


def test_an_empty_key_file_is_an_error_and_not_a_key(tmp_path):
    (tmp_path / "secret_key").touch()
    with pytest.raises(RuntimeError, match="empty"):
        SecretBox.from_settings(Settings(data_dir=tmp_path))
