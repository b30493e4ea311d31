"""The store of a run, as its hosts reach it and as it is read at the end."""

from pathlib import Path

import obstore

from chaos.store import BUCKET, FOLDER, HEADER_BYTES, URL, Store, Stored, variables


async def test_what_hosts_put_there_is_found_and_looked_at(tmp_path: Path, monkeypatch):
    async with Store.up(tmp_path) as store:
        for name, value in variables(store.url).items():
            monkeypatch.setenv(name, value)
        put = obstore.store.from_url(URL)
        head = bytes(HEADER_BYTES - 4) + (100).to_bytes(4, "little")
        put_there = {"ws/c1/c1.wav": head + bytes(100), "ws/c2/c2.wav": head + bytes(60), "ws/other": b""}
        for place, audio in put_there.items():
            obstore.put(put, place, audio)
        found = await store.recordings()
    assert sorted(found, key=lambda each: each.name) == [
        Stored(name="ws/c1/c1.wav", size=HEADER_BYTES + 100, audio_bytes=100),
        Stored(name="ws/c2/c2.wav", size=HEADER_BYTES + 60, audio_bytes=100),
    ]
    assert [each.is_whole for each in sorted(found, key=lambda each: each.name)] == [True, False]
    assert f"s3://{BUCKET}/{FOLDER}" == URL
