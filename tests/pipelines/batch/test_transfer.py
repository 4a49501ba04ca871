"""Inputs and outputs at URLs, and what is known of files."""

from __future__ import annotations

import os

import pytest
from streamseg.pipelines.batch.transfer import fingerprint

from streamseg.errors import InputError, OptionError


def test_a_fingerprint_changes_with_content_size_and_time(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(bytes(300_000))
    first = fingerprint(str(path))
    assert fingerprint(str(path)) == first
    os.utime(path, ns=(0, first["mtime_ns"] + 1))
    assert fingerprint(str(path)) != first
    for position in (0, 150_000, 299_999):
        data = bytearray(300_000)
        data[position] = 1
        path.write_bytes(data)
        os.utime(path, ns=(0, first["mtime_ns"]))
        assert fingerprint(str(path)) != first
    with pytest.raises(InputError, match="none: no such file"):
        fingerprint(str(tmp_path / "none"))


@pytest.fixture
def memory():
    """fsspec's file system in memory."""
    fsspec = pytest.importorskip("fsspec")
    file_system = fsspec.filesystem("memory")
    yield file_system
    file_system.rm("/", recursive=True)


def test_from_urls_to_urls_and_on(memory, batch, make_clip, tmp_path):
    clip = make_clip(tmp_path / "a.mp4", count=2)
    for name in ("in/a.mp4", "in/day/b.mp4"):
        memory.pipe_file(name, clip.read_bytes())
    memory.pipe_file("in/c.mp4", b"no video")
    arguments = ("memory://in/**/*.mp4", "memory://out", "--bg", "red", "--speed", "fast")
    status, events, err = batch(*arguments)
    assert status == 1, err
    assert sorted(name for name in memory.find("/out") if ".streamseg" not in name) == ["/out/a.mp4", "/out/day/b.mp4"]
    failed = next(event for event in events if event["event"] == "failed")
    assert failed["source"].endswith("in/c.mp4") and failed["reason"].startswith("cannot be opened as a video")
    (tmp_path / "back.mp4").write_bytes(memory.cat_file("/out/a.mp4"))
    assert batch(*arguments)[1][-1].items() >= {"done": 0, "skipped": 2, "failed": 1}.items()
    memory.pipe_file("in/a.mp4", clip.read_bytes() + b"\0")
    assert "another source" in batch(*arguments)[1][0]["reason"]


def test_a_protocol_that_there_is_none_of(batch, capsys, tmp_path):
    pytest.importorskip("fsspec")
    from streamseg.pipelines.batch.transfer import exists

    with pytest.raises(OptionError, match="nosuch"):
        exists("nosuch://bucket/a.mp4")
