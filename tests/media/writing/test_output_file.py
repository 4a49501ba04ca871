"""Outputs get their name only when complete, and never replace a file unless asked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from streamseg.errors import OptionError, OutputError
from streamseg.media.writing.output_file import OutputFile


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_only_when_complete(output_file, tmp_path):
    file = output_file()
    file.path.write_bytes(b"half")
    assert not (tmp_path / "out.bin").exists()
    assert file.path.suffix == ".bin"
    file.commit()
    assert names(tmp_path) == ["out.bin"]
    assert (tmp_path / "out.bin").read_bytes() == b"half"


def test_an_existing_file_is_an_error(output_file, tmp_path):
    (tmp_path / "out.bin").write_bytes(b"old")
    with pytest.raises(OutputError, match=r"already exists; --overwrite"):
        output_file()
    assert names(tmp_path) == ["out.bin"]


def test_overwrite_replaces_only_at_the_end(output_file, tmp_path):
    (tmp_path / "out.bin").write_bytes(b"old")
    file = output_file(overwrite=True)
    file.path.write_bytes(b"new")
    assert (tmp_path / "out.bin").read_bytes() == b"old"
    file.commit()
    assert (tmp_path / "out.bin").read_bytes() == b"new"
    assert names(tmp_path) == ["out.bin"]


def test_discard_leaves_the_old_file_and_nothing_else(output_file, tmp_path):
    (tmp_path / "out.bin").write_bytes(b"old")
    file = output_file(overwrite=True)
    file.path.write_bytes(b"new")
    file.discard()
    file.discard()
    assert (tmp_path / "out.bin").read_bytes() == b"old"
    assert names(tmp_path) == ["out.bin"]


def test_a_file_created_in_the_meantime_is_not_replaced(output_file, tmp_path):
    file = output_file()
    file.path.write_bytes(b"mine")
    (tmp_path / "out.bin").write_bytes(b"theirs")
    with pytest.raises(OutputError, match="was created in the meantime; the result is") as caught:
        file.commit()
    assert (tmp_path / "out.bin").read_bytes() == b"theirs"
    assert file.path.read_bytes() == b"mine"
    assert str(file.path) in str(caught.value)


def test_a_file_instead_of_a_folder_and_a_folder_instead_of_a_file(output_file, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="is a folder"):
            output_file("folder", overwrite)
        with pytest.raises(OutputError, match="is a file"):
            output_file("file", overwrite, folder=True)


def fill(file, *names):
    for name in names:
        (file.path / name).write_bytes(b"new")


def test_a_new_folder(output_file, tmp_path):
    file = output_file("frames", folder=True)
    fill(file, "000001.png")
    assert not (tmp_path / "frames").exists()
    file.commit()
    assert names(tmp_path) == ["frames"]
    assert names(tmp_path / "frames") == ["000001.png"]


def test_an_empty_folder_may_be_filled(output_file, tmp_path):
    (tmp_path / "frames").mkdir()
    file = output_file("frames", folder=True)
    fill(file, "000001.png")
    file.commit()
    assert names(tmp_path) == ["frames"]
    assert names(tmp_path / "frames") == ["000001.png"]


def test_a_folder_with_files_is_an_error(output_file, tmp_path):
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "diary.txt").write_text("mine")
    with pytest.raises(OutputError, match="already exists"):
        output_file("frames", folder=True)


def test_overwriting_a_folder_keeps_other_files(output_file, tmp_path):
    folder = tmp_path / "frames"
    (folder / "sub").mkdir(parents=True)
    (folder / "diary.txt").write_text("mine")
    (folder / "000001.png").write_bytes(b"old")
    file = output_file("frames", overwrite=True, folder=True)
    fill(file, "000001.png", "000002.png")
    assert (folder / "000001.png").read_bytes() == b"old"
    file.commit()
    assert names(folder) == ["000001.png", "000002.png", "diary.txt", "sub"]
    assert (folder / "000001.png").read_bytes() == b"new"
    assert (folder / "diary.txt").read_text(encoding="utf-8") == "mine"
    assert names(tmp_path) == ["frames"]


@pytest.mark.parametrize("empty_before", [True, False])
def test_files_created_in_a_folder_in_the_meantime_are_not_replaced(output_file, tmp_path, empty_before):
    folder = tmp_path / "frames"
    if empty_before:
        folder.mkdir()
    file = output_file("frames", folder=True)
    fill(file, "000001.png")
    folder.mkdir(exist_ok=True)
    (folder / "000001.png").write_bytes(b"theirs")
    with pytest.raises(OutputError, match="was created in the meantime"):
        file.commit()
    assert (folder / "000001.png").read_bytes() == b"theirs"
    assert (file.path / "000001.png").read_bytes() == b"new"


def test_discarding_a_folder_leaves_nothing(output_file, tmp_path):
    file = output_file("frames", folder=True)
    fill(file, "000001.png")
    file.discard()
    assert names(tmp_path) == []


def test_the_current_folder_as_output(tmp_path, monkeypatch):
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    file = OutputFile(Path(), overwrite=False, folder=True)
    fill(file, "000001.png")
    file.commit()
    assert names(work) == ["000001.png"]
    assert names(tmp_path) == ["work"]


@pytest.mark.parametrize("folder", [False, True])
def test_a_missing_parent_folder(output_file, tmp_path, folder):
    with pytest.raises(OutputError, match=r"cannot be written there \(No such file"):
        output_file("missing/out.bin", folder=folder)
    assert names(tmp_path) == []


@pytest.mark.parametrize("folder", [False, True])
def test_a_parent_folder_that_is_a_file(output_file, tmp_path, folder):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="Not a directory"):
        output_file("file/out.bin", folder=folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere")
def test_a_folder_without_permission(output_file, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="Permission denied"):
        output_file()
    tmp_path.chmod(0o700)


def test_a_read_only_file_system(tmp_path):
    if not Path("/proc/self").is_dir():
        pytest.skip("needs a read-only file system, such as /proc")
    with pytest.raises(OutputError, match="cannot be written there"):
        OutputFile(Path("/proc/self/out.mp4"), overwrite=False)


def test_names_too_long(output_file):
    with pytest.raises(OutputError, match="too long"):
        output_file("x" * 300 + ".mp4")


def test_a_long_name_within_the_limit(output_file, tmp_path):
    name = "x" * 240 + ".mp4"
    file = output_file(name)
    file.commit()
    assert names(tmp_path) == [name]


def test_a_symbolic_link_stays_and_its_file_is_written(output_file, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "real.bin").write_bytes(b"old")
    (tmp_path / "out.bin").symlink_to(tmp_path / "there" / "real.bin")
    file = output_file(overwrite=True)
    file.path.write_bytes(b"new")
    file.commit()
    assert (tmp_path / "out.bin").is_symlink()
    assert (tmp_path / "there" / "real.bin").read_bytes() == b"new"
    assert names(tmp_path / "there") == ["real.bin"] and names(tmp_path) == ["out.bin", "there"]


def test_links_that_lead_nowhere(output_file, tmp_path):
    (tmp_path / "out.bin").symlink_to(tmp_path / "later.bin")
    file = output_file()
    file.path.write_bytes(b"new")
    file.commit()
    assert (tmp_path / "later.bin").read_bytes() == b"new" and (tmp_path / "out.bin").is_symlink()
    (tmp_path / "circle.bin").symlink_to(tmp_path / "circle.bin")
    with pytest.raises(OutputError, match="cannot be written there"):
        output_file("circle.bin")


def test_devices_and_pipes_are_not_replaced(output_file, tmp_path):
    os.mkfifo(tmp_path / "pipe.bin")
    for path in (tmp_path / "pipe.bin", Path(os.devnull)):
        with pytest.raises(OutputError, match="is a device or a pipe"):
            OutputFile(path, overwrite=True)
    assert names(tmp_path) == ["pipe.bin"]


def test_a_dash_is_no_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in (False, True):
        with pytest.raises(OptionError, match="standard output is not supported"):
            OutputFile(Path("-"), overwrite=True, folder=folder)
    assert names(tmp_path) == []


def test_a_relative_name_with_a_colon(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = OutputFile(Path("12:30.bin"), overwrite=False)
    assert file.path.is_absolute()
    file.commit()
    assert names(tmp_path) == ["12:30.bin"]
