"""Outputs take their name whole or not at all, and clobber nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from streamseg.errors import OutputError
from streamseg.media.place import Place


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_only_when_complete(place, tmp_path):
    here = place()
    here.path.write_bytes(b"half")
    assert not (tmp_path / "out.bin").exists()
    assert here.path.suffix == ".bin"
    here.commit()
    assert names(tmp_path) == ["out.bin"]
    assert (tmp_path / "out.bin").read_bytes() == b"half"


def test_an_existing_file_is_refused(place, tmp_path):
    (tmp_path / "out.bin").write_bytes(b"old")
    with pytest.raises(OutputError, match=r"exists already; --overwrite"):
        place()
    assert names(tmp_path) == ["out.bin"]


def test_overwrite_replaces_only_at_the_end(place, tmp_path):
    (tmp_path / "out.bin").write_bytes(b"old")
    here = place(overwrite=True)
    here.path.write_bytes(b"new")
    assert (tmp_path / "out.bin").read_bytes() == b"old"
    here.commit()
    assert (tmp_path / "out.bin").read_bytes() == b"new"
    assert names(tmp_path) == ["out.bin"]


def test_discard_leaves_the_old_file_and_nothing_else(place, tmp_path):
    (tmp_path / "out.bin").write_bytes(b"old")
    here = place(overwrite=True)
    here.path.write_bytes(b"new")
    here.discard()
    here.discard()
    assert (tmp_path / "out.bin").read_bytes() == b"old"
    assert names(tmp_path) == ["out.bin"]


def test_a_file_that_appears_meanwhile_is_not_clobbered(place, tmp_path):
    here = place()
    here.path.write_bytes(b"mine")
    (tmp_path / "out.bin").write_bytes(b"theirs")
    with pytest.raises(OutputError, match="appeared meanwhile; the result is") as caught:
        here.commit()
    assert (tmp_path / "out.bin").read_bytes() == b"theirs"
    assert here.path.read_bytes() == b"mine"
    assert str(here.path) in str(caught.value)


def test_a_file_is_no_folder_and_a_folder_no_file(place, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="is a folder"):
            place("folder", overwrite)
        with pytest.raises(OutputError, match="is a file"):
            place("file", overwrite, folder=True)


def fill(here, *names):
    for name in names:
        (here.path / name).write_bytes(b"new")


def test_a_new_folder(place, tmp_path):
    here = place("frames", folder=True)
    fill(here, "000001.png")
    assert not (tmp_path / "frames").exists()
    here.commit()
    assert names(tmp_path) == ["frames"]
    assert names(tmp_path / "frames") == ["000001.png"]


def test_an_empty_folder_may_be_filled(place, tmp_path):
    (tmp_path / "frames").mkdir()
    here = place("frames", folder=True)
    fill(here, "000001.png")
    here.commit()
    assert names(tmp_path) == ["frames"]
    assert names(tmp_path / "frames") == ["000001.png"]


def test_a_full_folder_is_refused(place, tmp_path):
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "diary.txt").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        place("frames", folder=True)


def test_foreign_files_survive_overwriting_a_folder(place, tmp_path):
    folder = tmp_path / "frames"
    (folder / "sub").mkdir(parents=True)
    (folder / "diary.txt").write_text("mine")
    (folder / "000001.png").write_bytes(b"old")
    here = place("frames", overwrite=True, folder=True)
    fill(here, "000001.png", "000002.png")
    assert (folder / "000001.png").read_bytes() == b"old"
    here.commit()
    assert names(folder) == ["000001.png", "000002.png", "diary.txt", "sub"]
    assert (folder / "000001.png").read_bytes() == b"new"
    assert (folder / "diary.txt").read_text() == "mine"
    assert names(tmp_path) == ["frames"]


@pytest.mark.parametrize("empty_before", [True, False])
def test_a_folder_that_fills_meanwhile_is_not_clobbered(place, tmp_path, empty_before):
    folder = tmp_path / "frames"
    if empty_before:
        folder.mkdir()
    here = place("frames", folder=True)
    fill(here, "000001.png")
    folder.mkdir(exist_ok=True)
    (folder / "000001.png").write_bytes(b"theirs")
    with pytest.raises(OutputError, match="appeared meanwhile"):
        here.commit()
    assert (folder / "000001.png").read_bytes() == b"theirs"
    assert (here.path / "000001.png").read_bytes() == b"new"


def test_discarding_a_folder_leaves_nothing(place, tmp_path):
    here = place("frames", folder=True)
    fill(here, "000001.png")
    here.discard()
    assert names(tmp_path) == []


def test_the_current_folder_as_output(tmp_path, monkeypatch):
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    here = Place(Path(), overwrite=False, folder=True)
    fill(here, "000001.png")
    here.commit()
    assert names(work) == ["000001.png"]
    assert names(tmp_path) == ["work"]


@pytest.mark.parametrize("folder", [False, True])
def test_a_parent_that_is_missing(place, tmp_path, folder):
    with pytest.raises(OutputError, match=r"cannot be written there \(No such file"):
        place("missing/out.bin", folder=folder)
    assert names(tmp_path) == []


@pytest.mark.parametrize("folder", [False, True])
def test_a_parent_that_is_a_file(place, tmp_path, folder):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="Not a directory"):
        place("file/out.bin", folder=folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(place, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="Permission denied"):
        place()
    tmp_path.chmod(0o700)


def test_a_read_only_file_system(tmp_path):
    if not Path("/proc/self").is_dir():
        pytest.skip("needs a place where nobody may write, such as /proc")
    with pytest.raises(OutputError, match="cannot be written there"):
        Place(Path("/proc/self/out.mp4"), overwrite=False)


def test_names_too_long(place):
    with pytest.raises(OutputError, match="too long"):
        place("x" * 300 + ".mp4")


def test_a_long_name_that_the_file_system_takes(place, tmp_path):
    name = "x" * 240 + ".mp4"
    here = place(name)
    here.commit()
    assert names(tmp_path) == [name]
