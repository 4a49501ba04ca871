"""The options that choose the subject, and the command with a chosen subject on a real file."""

from __future__ import annotations

import argparse

import av
import numpy as np
import pytest
from streamseg.pipelines import cli
from streamseg.pipelines.command.subject import add_choice, choice_of

from streamseg.errors import OptionError
from streamseg.matting.choosing.choice import SubjectBox, SubjectChoice, SubjectPoint


def parse(*arguments):
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_choice(parser, float)
    return choice_of(parser.parse_args(arguments))


def test_fractions_pixels_times_and_kinds():
    assert parse() == SubjectChoice()
    assert parse("--subject", "person") == SubjectChoice("person")
    given = parse("--subject", "any", "--subject", "0.5,.25@3", "--subject", "640,0", "--exclude", "1.0,0.0@2.5")
    points = SubjectPoint(0.5, 0.25, 3.0), SubjectPoint(640, 0), SubjectPoint(1.0, 0.0, 2.5, keep=False)
    assert given == SubjectChoice("any", points)
    assert isinstance(given.marks[1].x, int) and isinstance(given.marks[2].x, float)
    assert parse("--subject-box", "10,20,30,40").marks == (SubjectBox(10, 20, 30, 40),)
    counts = [parse("--subjects", text).count for text in ("all", "largest", "3")]
    assert counts == [None, 1, 3]


@pytest.mark.parametrize(
    ("option", "text", "expected"),
    [
        ("--subject", "somebody", "expected auto, person, any, or X,Y"),
        ("--subject", "1,2,3", "expected X,Y or X,Y@T"),
        ("--subject", "0.5,", "expected X,Y or X,Y@T"),
        ("--subject", "nan,0.5", "expected X,Y or X,Y@T"),
        ("--subject", "0.5,300", "all fractions from 0.0 to 1.0, or all pixels"),
        ("--subject", "0.5,1.5", "all fractions from 0.0 to 1.0, or all pixels"),
        ("--subject", "0.5,0.5@soon", "expected seconds or h:m:s"),
        ("--subject-box", "1,2,3", "expected X,Y,W,H or X,Y,W,H@T"),
        ("--exclude", "left", "expected X,Y or X,Y@T"),
        ("--subjects", "0", "expected all, largest or a number of 1 or more"),
        ("--subjects", "few", "expected all, largest or a number of 1 or more"),
    ],
)
def test_what_is_malformed_is_refused_in_one_line(option, text, expected, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["video", "in.mp4", "out.mp4", option, text])
    line = capsys.readouterr().err
    assert stopped.value.code == 2
    assert line.count("\n") == 1 and expected in line and repr(text.rpartition("@")[2])[1:-1] in line


def test_a_count_beside_points_is_refused():
    with pytest.raises(OptionError, match="say already which ones stay"):
        parse("--subject", "0.5,0.5", "--subjects", "2")


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((72, 64), 90, np.uint8), "yuv420p")))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--subject", "64,3"), "subject 64,3: outside the picture of 64×48 pixels"),
        (("--exclude", "3,3@5"), "subject at 5 s: the video ends at 1.0 s"),
        (("--subject", "3,3@0.2", "--start", "0.5"), "subject 3,3 at 0.2 s: before the part that starts at 0.5 s"),
        (("--subject", "3,3", "--device", "cuda"), "a subject cannot be chosen on a GPU; use the device cpu"),
    ],
)
def test_what_does_not_fit_the_video_is_refused_and_nothing_is_written(clip, tmp_path, arguments, expected, capsys):
    assert cli.main(["video", str(clip), str(tmp_path / "out.mp4"), "--quiet", *arguments]) == 2
    assert expected in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]
