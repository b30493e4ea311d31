"""The file of a backup, read as it was written."""

import io

import pytest

from outdial.backup.archive import COMPLETE, BackupUnusable, Manifest, members, writing


def written(*names):
    out = io.BytesIO()
    with writing(out) as archive:
        for name in names:
            archive.add(name, name.encode() * 100)
    return out.getvalue()


def read(content):
    return [("/".join(member.path), member.content.read()) for member in members(io.BytesIO(content))]


def test_what_goes_in_comes_out_in_its_order():
    names = ("spool/w/a.json", "database/calls/000001", COMPLETE)
    assert read(written(*names)) == [(name, name.encode() * 100) for name in names]


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "recordings/../../x"])
def test_nothing_leads_outside(name):
    with pytest.raises(BackupUnusable, match="isn't a backup"):
        read(written(name, COMPLETE))


def test_wherever_it_is_cut_off_that_is_seen():
    content = written("spool/w/a.json", COMPLETE)
    for length in range(0, len(content), 7):
        with pytest.raises(BackupUnusable):
            read(content[:length])
    with pytest.raises(BackupUnusable, match="no end"):
        read(written("spool/w/a.json"))


def test_a_damaged_byte_is_seen():
    content = written("spool/w/a.json", COMPLETE)
    for place in range(20, len(content), 11):
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        with pytest.raises(BackupUnusable):
            read(bytes(damaged))


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"format": 1}'])
def test_what_is_no_manifest_is_refused(content):
    with pytest.raises(BackupUnusable, match="isn't a backup"):
        Manifest.parse(content)
