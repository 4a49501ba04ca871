"""What a batch reads, and what its outputs are called."""

from __future__ import annotations

import io

import pytest
from streamseg.pipelines.batch.inputs import Source, find_sources, output_name, read_list

from streamseg.errors import InputError, OptionError


@pytest.fixture
def footage(tmp_path):
    for name in ("b.MP4", "day/a.mov", "day/two/c.mkv", "notes.txt", ".hidden.mp4", ".trash/x.mp4", "out/b.mp4"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "in"


def test_a_folder_gives_its_videos_at_any_depth_without_hidden_ones_and_outputs(footage):
    found = find_sources([str(footage)], str(footage / "out"))
    names = [(source.name.removeprefix(f"{footage}/"), source.folder) for source in found]
    assert names == [("b.MP4", ""), ("day/a.mov", "day"), ("day/two/c.mkv", "day/two")]


def test_a_pattern_keeps_the_folders_below_its_fixed_part(footage):
    found = find_sources([f"{footage}/**/*.m*"], "out")
    assert Source(str(footage / "day" / "two" / "c.mkv"), "day/two") in found
    assert Source(str(footage / "day" / "a.mov"), "day") in found


def test_a_file_may_have_letters_of_patterns_in_its_name(tmp_path):
    odd = tmp_path / "take[1]*.mp4"
    odd.touch()
    assert find_sources([str(odd), str(odd)], "out") == [Source(str(odd))]


@pytest.mark.parametrize(("name", "message"), [("in/*.webm", "matches no file"), ("in/none", "has no video in it")])
def test_a_pattern_or_folder_without_videos_is_an_error(footage, monkeypatch, name, message):
    monkeypatch.chdir(footage.parent)
    (footage / "none").mkdir()
    with pytest.raises(OptionError, match=message):
        find_sources([name], "out")


def test_a_list_has_a_name_a_line(tmp_path, monkeypatch):
    listed = tmp_path / "list.txt"
    listed.write_text("\ufeffa b.mp4\n\n# a comment\n/x/é.mov\n", encoding="utf-8")
    assert read_list(str(listed)) == ["a b.mp4", "/x/é.mov"]
    monkeypatch.setattr("sys.stdin", io.StringIO("c.mp4\n"))
    assert read_list("-") == ["c.mp4"]
    with pytest.raises(InputError, match=r"--list .*none: cannot be read"):
        read_list(str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("source", "pattern", "name"),
    [
        (Source("x/a.b.mp4"), "{stem}.mp4", "a.b.mp4"),
        (Source("in/day/a.mov", "day"), "{stem}.mkv", "day/a.mkv"),
        (Source("in/day/a.mov"), "{folder}-{name}.{suffix}", "day-a.mov.mov"),
        (Source("in/day/a.mov", "day"), "{stem}/", "day/a/"),
        (Source("s3://bucket/day/a.mov"), "{folder}/{stem}.mp4", "day/a.mp4"),
    ],
)
def test_names_of_outputs(source, pattern, name):
    assert output_name(source, pattern) == name


@pytest.mark.parametrize("pattern", ["{date}.mp4", "{stem", "../{stem}.mp4", "/out/{stem}.mp4", "{0}.mp4", ""])
def test_patterns_that_are_none(pattern):
    with pytest.raises(OptionError, match="--name"):
        output_name(Source("a.mp4"), pattern)
