"""Many files by several workers: what is made, what is passed over, what fails, and what is left when it is stopped."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from streamseg.pipelines import cli

QUICK = ("--bg", "red", "--speed", "fast", "--preset", "ultrafast", "--workers", 2)


def told(events, kind):
    """The names of the sources of which something was told."""
    return sorted(Path(event["source"]).name for event in events if event["event"] == kind)


def files_in(folder):
    """All files but what the batch notes."""
    paths = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return sorted(str(path) for path in paths if path.parts[0] != ".streamseg")


def left_over(folder):
    """What is left of work that was not finished."""
    return [path for part in ("work", "parts") for path in (folder / ".streamseg" / part).glob("*")]


@pytest.fixture(scope="module")
def footage(tmp_path_factory, make_clip):
    """Two good files, one of them in a folder, and two that are none; nothing may change them."""
    folder = tmp_path_factory.mktemp("footage")
    make_clip(folder / "a.mp4")
    make_clip(folder / "day" / "b.mp4", skip=6)
    (folder / "broken.mp4").write_bytes(b"no video at all" * 99)
    (folder / "empty.mov").touch()
    return folder


@pytest.fixture(scope="module")
def done(tmp_path_factory, footage):
    """The first run over it; gives its folder, exit status, JSON lines, standard error."""
    out = tmp_path_factory.mktemp("done") / "out"
    command = [sys.executable, "-m", "streamseg.pipelines.cli", "batch", footage, out, *QUICK, "--json"]
    run = subprocess.run([str(each) for each in command], capture_output=True, text=True, timeout=120, check=False)
    return out, run.returncode, [json.loads(line) for line in run.stdout.splitlines()], run.stderr


def test_files_that_fail_do_not_stop_the_others(done, times_of, footage):
    out, status, events, stderr = done
    assert status == 1, stderr
    assert files_in(out) == ["a.mp4", "day/b.mp4"]
    assert times_of(out / "a.mp4") == times_of(footage / "a.mp4")
    assert told(events, "done") == ["a.mp4", "b.mp4"]
    assert told(events, "failed") == ["broken.mp4", "empty.mov"]
    reasons = [event["reason"] for event in events if event["event"] == "failed"]
    assert all("cannot be opened as a video" in reason for reason in reasons)
    summary = events[-1]
    assert (summary["event"], summary["done"], summary["failed"], summary["frames"]) == ("summary", 2, 2, 12)
    assert left_over(out) == []


def test_what_a_worker_makes_is_what_the_plain_command_makes(done, footage, tmp_path, monkeypatch):
    """Byte for byte: both have one thread for the encoder."""
    monkeypatch.setenv("STREAMSEG_CORES", "1")
    arguments = ["video", footage / "a.mp4", tmp_path / "a.mp4", *QUICK[:-2], "--quiet"]
    assert cli.main([str(each) for each in arguments]) == 0
    assert (tmp_path / "a.mp4").read_bytes() == (done[0] / "a.mp4").read_bytes()


def test_it_goes_on_where_it_stopped(done, footage, batch, make_clip):
    """Also with another number of workers and of threads, and with files that have come since."""
    out, new = done[0], footage / "new.mp4"
    before = {name: (out / name).stat().st_mtime_ns for name in files_in(out)}
    make_clip(new, count=2)
    status, events, _ = batch(footage / "a.mp4", footage / "day", new, out, *QUICK[:-2], "--threads", 1)
    new.unlink()
    assert (status, told(events, "skipped"), told(events, "done")) == (0, ["a.mp4"], ["b.mp4", "new.mp4"])
    assert {name: (out / name).stat().st_mtime_ns for name in before} == before


def test_other_options_and_other_sources_are_not_passed_over(footage, batch, tmp_path, make_clip):
    source, out = make_clip(tmp_path / "in" / "a.mp4", count=2), tmp_path / "out"
    assert batch(source, out, *QUICK)[0] == 0
    first = (out / "a.mp4").read_bytes()
    status, events, _ = batch(source, out, *QUICK, "--crf", 30)
    assert (status, events[-2]["event"]) == (1, "failed")
    assert events[-2]["reason"] == "exists, and was made with other options: --overwrite replaces it"
    make_clip(source, count=3)
    status, events, _ = batch(source, out, *QUICK)
    assert "was made of another source or before it was changed" in events[-2]["reason"]
    assert (out / "a.mp4").read_bytes() == first
    status, events, _ = batch(source, out, *QUICK, "--overwrite")
    assert (status, told(events, "done")) == (0, ["a.mp4"])
    assert batch(source, out, *QUICK, "--overwrite")[1][-1]["skipped"] == 1  # nothing has changed since
    (out / "a.mp4").write_bytes(b"mine")
    status, events, _ = batch(source, out, *QUICK)
    assert (status, events[-2]["reason"]) == (1, "exists, and was not made by this batch: --overwrite replaces it")


def test_options_of_single_files(footage, batch, tmp_path, frames_of):
    jobs = tmp_path / "jobs.csv"
    with jobs.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerows([["source", "output", "bg", "duration"], [footage / "a.mp4", "", "white", "0.1"]])
        rows.writerow([footage / "day" / "b.mp4", "other/c.mkv", "", ""])
        rows.writerow([footage / "day" / "b.mp4", "other/d.mp4", "white", "0.1"])
    out = tmp_path / "out"
    status, _, stderr = batch(footage / "a.mp4", out, *QUICK, "--jobs", jobs)
    assert status == 0, stderr
    assert files_in(out) == ["a.mp4", "other/c.mkv", "other/d.mp4"]
    white, red = frames_of(out / "a.mp4"), frames_of(out / "other" / "c.mkv")
    assert (len(white), len(red)) == (3, 6)
    assert tuple(white[0].to_ndarray(format="rgb24")[0, 0] > 240) == (True, True, True)
    assert tuple(red[0].to_ndarray(format="rgb24")[0, 0] > 200) == (True, False, False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.mp4", "day/../a.mp4", "out"], "would both become out/a.mp4: see --name"),
        (["a.mp4", "day/b.mp4", "out", "--name", "x.mp4"], "would both become out/x.mp4: see --name"),
        (["a.mp4", "."], "a.mp4: is also the output of a.mp4: see --name"),
        (["a.mp4"], "expected inputs, and last the folder for the outputs"),
        (["*.webm", "out"], "*.webm: matches no file"),
        (["a.mp4", "out", "--name", "{date}.mp4"], "expected a name with any of {stem}"),
        (["a.mp4", "out", "--workers", "0"], "expected a number above 0, or auto"),
        (["a.mp4", "out", "--steady", "3"], "steady 3: expected 0"),
        (["a.mp4", "out", "--jobs", "jobs.csv"], "jobs.csv, line 2: unknown option 'bgg'"),
    ],
)
def test_wrong_commands_end_before_any_work(footage, tmp_path, monkeypatch, capsys, arguments, message):
    (tmp_path / "jobs.csv").write_text("source,bgg\na.mp4,red\n")
    for name in ("a.mp4", "day/b.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((footage / name).read_bytes())
    monkeypatch.chdir(tmp_path)
    try:
        status = cli.main(["batch", *arguments])
    except SystemExit as end:
        status = end.code
    err = capsys.readouterr().err
    assert status == 2
    assert len(err.splitlines()) == 1 and message in err
    assert not (tmp_path / "out").exists()


def test_a_table_for_people(footage, batch, tmp_path, capsys):
    arguments = [str(each) for each in ("batch", footage / "a.mp4", footage / "broken.mp4", tmp_path, *QUICK)]
    assert cli.main(arguments) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["file", "status", "frames", "seconds", "reason"]
    assert lines[1].split()[:3] == ["a.mp4", "done", "6"]
    assert lines[2].startswith("broken.mp4  failed") and "cannot be opened as a video" in lines[2]
    assert lines[3].startswith("2 files: 1 done, 1 failed, in ")
    assert cli.main([*arguments, "--quiet"]) == 1
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)


def children(pid):
    """The workers of a batch: those of its children that have done most."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text(encoding="utf-8")
        except OSError:
            continue
        fields = text.rpartition(")")[2].split()
        if int(fields[1]) == pid and "spawn_main" in (path.parent / "cmdline").read_text(encoding="utf-8"):
            found.append(int(path.parent.name))
    return found


def until(process, kind):
    """Reads JSON lines up to one of this kind; gives it."""
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == kind:
            return event
    raise AssertionError(process.stderr.read())


def rest(process):
    out, err = process.communicate(timeout=100)
    return [json.loads(line) for line in out.splitlines()], err


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds workers by /proc")


@needs_proc
def test_work_of_a_killed_worker_is_done_again(start_batch, make_clip, tmp_path, frames_of):
    source, out = make_clip(tmp_path / "a.mp4", count=60), tmp_path / "out"
    process = start_batch(source, out, *QUICK[:-2], "--workers", 1)
    until(process, "progress")
    os.kill(children(process.pid)[0], signal.SIGKILL)
    events, err = rest(process)
    assert process.returncode == 0, err
    assert [event["event"] for event in events if event["event"] != "progress"] == [
        "note",
        "started",
        "done",
        "summary",
    ]
    assert events[0]["text"] == "the worker was killed (SIGKILL): it is done again"
    assert len(frames_of(out / "a.mp4")) == 60
    assert left_over(out) == []


@needs_proc
def test_a_file_whose_workers_die_again_and_again_fails(start_batch, make_clip, tmp_path):
    process = start_batch(make_clip(tmp_path / "a.mp4", count=300), tmp_path / "out", *QUICK[:-2], "--workers", 1)
    for _ in range(2):
        until(process, "progress")
        os.kill(children(process.pid)[0], signal.SIGKILL)
    events, err = rest(process)
    assert process.returncode == 1, err
    failed = next(event for event in events if event["event"] == "failed")
    assert failed["reason"] == "the worker was killed (SIGKILL), 2 times"
    assert files_in(tmp_path / "out") == [] and left_over(tmp_path / "out") == []


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_batch_leaves_what_is_finished(start_batch, make_clip, tmp_path, batch, number, status):
    make_clip(tmp_path / "in" / "long.mp4", count=200)
    make_clip(tmp_path / "in" / "short.mp4", count=3)
    out = tmp_path / "out"
    process = start_batch(tmp_path / "in", out, *QUICK)
    until(process, "done")
    os.killpg(process.pid, number) if number == signal.SIGINT else os.kill(process.pid, number)
    events, err = rest(process)
    assert process.returncode == status, err
    assert "Traceback" not in err
    assert events[-1].items() >= {"event": "summary", "done": 1, "stopped": 1, "failed": 0}.items()
    assert files_in(out) == ["short.mp4"] and left_over(out) == []
    if number == signal.SIGINT:
        status, events, _ = batch(tmp_path / "in", out, *QUICK)
        assert (status, told(events, "skipped"), told(events, "done")) == (0, ["short.mp4"], ["long.mp4"])


def test_a_damaged_file_keeps_what_came_before_and_is_tried_again(batch, make_clip, tmp_path, frames_of):
    source, out = make_clip(tmp_path / "a.mkv", count=72), tmp_path / "out"
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 4])
    status, events, _ = batch(source, out, *QUICK)
    assert (status, told(events, "failed")) == (1, ["a.mkv"])
    assert "truncated" in events[-2]["reason"] and str(out / "a.mp4") in events[-2]["reason"]
    assert 0 < len(frames_of(out / "a.mp4")) < 40
    assert told(batch(source, out, *QUICK)[1], "failed") == ["a.mkv"]
    assert batch(source, out, *QUICK, "--tolerant")[0] == 0


def test_a_file_that_was_there_before_survives_failures(batch, footage, tmp_path):
    """It is not taken for what is left of work that failed."""
    mine = tmp_path / "broken.mp4"
    mine.write_bytes(b"mine")
    for options in (["--overwrite"], [], []):
        status, events, _ = batch(footage / "broken.mp4", tmp_path, *QUICK, *options)
        assert (status, events[-1]["failed"]) == (1, 1)
        assert mine.read_bytes() == b"mine"
    assert events[0]["reason"] == "exists, and was not made by this batch: --overwrite replaces it"


def test_folders_of_images(batch, footage, tmp_path):
    out = tmp_path / "out"
    arguments = (footage / "a.mp4", out, "--name", "{stem}/", "--duration", 0.1, "--speed", "fast")
    assert batch(*arguments)[0] == 0
    assert files_in(out) == ["a/000001.png", "a/000002.png", "a/000003.png", "a/timestamps.txt"]
    assert batch(*arguments)[1][-1]["skipped"] == 1


def test_importing_streamseg_imports_neither_ray_nor_fsspec():
    code = (
        "import sys, streamseg.pipelines.cli, streamseg.pipelines.batch.scheduler, streamseg.pipelines.batch.pool;"
        "print([name for name in ('ray', 'fsspec') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
