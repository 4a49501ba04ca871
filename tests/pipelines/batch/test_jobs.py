"""Job lists: options for single files."""

from __future__ import annotations

import pytest
from streamseg.pipelines.batch.jobs import JobRow, read_jobs, video_defaults

from streamseg.errors import InputError, OptionError


@pytest.fixture
def jobs(tmp_path):
    """The rows of a job list with this text."""

    def read(text, name="jobs.csv"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return read_jobs(str(tmp_path / name))

    return read


def test_a_table_says_nothing_with_its_empty_cells(jobs):
    rows = jobs('source,output,bg,crf,no-audio,start\na.mp4,,"beach, 2.jpg",20,,1:30\nb.mp4,x/b.mkv,,,yes,\n')
    assert rows == [
        JobRow("a.mp4", None, {"bg": "beach, 2.jpg", "crf": 20.0, "start": 90.0}),
        JobRow("b.mp4", "x/b.mkv", {"no_audio": True}),
    ]


def test_json_lines_have_values_of_their_own_types(jobs):
    text = '{"source": "a.mp4", "crf": 20, "no_audio": false, "pixel-format": "source"}\n\n{"source": "b.mp4"}\n'
    assert jobs(text, "jobs.jsonl") == [
        JobRow("a.mp4", None, {"crf": 20.0, "no_audio": False, "pixel_format": "source"}),
        JobRow("b.mp4", None, {}),
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("j.csv", "source,bgg\na.mp4,red\n", "j.csv, line 2: unknown option 'bgg'; expected source, output, "),
        ("j.csv", "source,crf\na.mp4,20\nb.mp4,fine\n", "j.csv, line 3: argument --crf: invalid float value: 'fine'"),
        ("j.csv", "source,speed\na.mp4,slow\n", "j.csv, line 2: argument --speed: invalid choice: 'slow'"),
        ("j.csv", "source,no-audio\na.mp4,maybe\n", "j.csv, line 2: no-audio is 'maybe': expected yes or no"),
        ("j.csv", "file,bg\na.mp4,red\n", "j.csv, line 1: expected the names of the columns"),
        ("j.csv", "source,bg\na.mp4,red,20\n", "j.csv, line 2: has more cells than line 1 has names"),
        ("j.csv", "source,bg\n,red\n", "j.csv, line 2: has no source"),
        ("j.jsonl", '{"source": "a"}\n{"source"\n', "j.jsonl, line 2: is no JSON"),
        ("j.jsonl", '["a.mp4"]\n', "j.jsonl, line 1: expected an object"),
        ("j.jsonl", '{"source": "a", "help": 1}\n', "j.jsonl, line 1: unknown option 'help'"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(jobs, name, text, message):
    with pytest.raises(OptionError) as error:
        jobs(text, name)
    assert message in str(error.value)


def test_a_list_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"--jobs .*none\.csv: cannot be read"):
        read_jobs(str(tmp_path / "none.csv"))


def test_defaults_are_those_of_the_video_command():
    assert (
        video_defaults().items()
        >= {"bg": None, "steady": 0.5, "speed": "best", "start": 0.0, "no_audio": False}.items()
    )
