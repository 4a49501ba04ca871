"""Settings in a file, and the command line that overrides them."""

from __future__ import annotations

import tomllib
from argparse import Namespace
from dataclasses import replace

import pytest
from streamseg.pipelines.cli import _parser
from streamseg.pipelines.command.subcommands import _webcam_settings
from streamseg.pipelines.webcam.settings import WebcamSettings, read_settings, save_settings

from streamseg.errors import InputError, OptionError, OutputError


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "webcam.toml"
        path.write_text(text)
        return str(path)

    return write


def parsed(*arguments) -> Namespace:
    return _parser().parse_args(["webcam", *map(str, arguments)])


def test_saved_settings_are_read_again(tmp_path, sample_clip, beach):
    settings = WebcamSettings(
        camera=str(sample_clip),
        width=640,
        fps=29.97,
        bg=(str(beach), "blur:0.3", "#00ff00"),
        steady=0.8,
        edges=False,
        speed="fast",
        mirror=True,
        virtual_camera="/dev/video9",
        record=str(tmp_path / "out.mp4"),
        audio="default",
        headless=True,
    )
    path = str(tmp_path / "my.toml")
    save_settings(path, settings)
    assert WebcamSettings(**read_settings(path)) == settings
    assert "virtual-camera" in tomllib.loads((tmp_path / "my.toml").read_text(encoding="utf-8"))


def test_only_what_differs_is_saved(tmp_path):
    path = tmp_path / "my.toml"
    save_settings(str(path), WebcamSettings(mirror=True))
    assert tomllib.loads(path.read_text(encoding="utf-8")) == {"mirror": True}


def test_files_are_saved_with_absolute_paths(tmp_path, monkeypatch, beach):
    monkeypatch.chdir(beach.parent)
    save_settings(str(tmp_path / "my.toml"), WebcamSettings(bg=(beach.name, "blur")))
    assert read_settings(str(tmp_path / "my.toml"))["bg"] == (str(beach), "blur")


def test_the_command_line_overrides_the_file(file):
    path = file('camera = "3"\nsteady = 0.9\nbg = ["blur:0.2", "white"]\nmirror = true\n')
    settings = _webcam_settings(parsed("--config", path, "--steady", 0.1, "--bg", "black"))
    expected = WebcamSettings(camera="3", steady=0.1, bg=("black",), mirror=True)
    assert settings == expected
    assert _webcam_settings(parsed()) == WebcamSettings()


def test_one_background_needs_no_list(file):
    assert read_settings(file('bg = "white"'))["bg"] == ("white",)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        (
            "speeed = 'fast'",
            OptionError,
            "unknown setting 'speeed'; expected audio, auto-frame, bg, camera, delay",
        ),
        ("steady = 'much'", OptionError, "steady is 'much'; expected int or float"),
        ("steady = true", OptionError, "steady is True"),
        ("width = 640.5", OptionError, "width is 640.5; expected int"),
        ("bg = [1]", OptionError, "expected a list of strings"),
        ("edges = 'on'", OptionError, "edges is 'on'; expected bool"),
        ("= 3", InputError, "is not TOML"),
    ],
)
def test_errors_in_a_file_are_named(file, text, error, words):
    with pytest.raises(error) as caught:
        read_settings(file(text))
    assert words in str(caught.value) and "webcam.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_written_is_reported(tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        save_settings(str(tmp_path / "nowhere" / "my.toml"), WebcamSettings())


@pytest.mark.parametrize("wrong", [{"bg": ()}, {"fps": 0}, {"steady": -1}, {"headless": True}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(OptionError):
        replace(WebcamSettings(), **wrong)
