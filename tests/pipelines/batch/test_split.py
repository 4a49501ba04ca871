"""One file in parts: what comes out is what one worker makes."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from streamseg.pipelines import cli
from streamseg.pipelines.batch import command
from streamseg.pipelines.batch.probe import Size
from streamseg.pipelines.batch.scheduler import worth_splitting
from streamseg.pipelines.batch.split.join import decoding_times
from streamseg.pipelines.batch.split.part_file import Record
from streamseg.pipelines.batch.split.plan import NotSplit, choose_cuts


def single(source, output, *options):
    """What one worker makes."""
    assert cli.main(["video", str(source), str(output), *map(str, options), "--quiet"]) == 0
    return output


def stamps_of(path):
    """Of each stream: its time base, when its packets are shown and for how long, when they are decoded."""
    found = []
    with av.open(str(path)) as container:
        for stream in container.streams:
            container.seek(0)
            packets = [packet for packet in container.demux(stream) if packet.size]
            shown = sorted((packet.pts, packet.duration) for packet in packets)
            found.append((stream.type, stream.time_base, shown, [packet.dts for packet in packets]))
    return found


def described(path):
    with av.open(str(path)) as container:
        headers = [stream.codec_context.extradata for stream in container.streams if stream.codec_context]
        return container.metadata, container.chapters(), container.duration, headers


def luma_of(frames):
    return np.stack([frame.to_ndarray(format="gray") for frame in frames]).astype(np.float32) / 255


@pytest.fixture
def interrupted(batch, monkeypatch):
    """The next batch is interrupted after so many tasks."""
    executor = command._executor

    def after(tasks):
        def limited(*arguments):
            made, left = executor(*arguments), iter(range(tasks))
            submit = made.submit

            def submit_or_end(task):
                if next(left, None) is None:
                    raise KeyboardInterrupt
                submit(task)

            made.submit = submit_or_end
            return made

        monkeypatch.setattr(command, "_executor", limited)

    return after


def test_parts_joined_are_what_one_worker_makes(batch, make_clip, tmp_path, frames_of, packets_of, interrupted):
    """The second part begins at a key frame, with a warm-up from the middle of the first. On the way the batch is
    interrupted: the part that is done is not done again."""
    source, out = make_clip(tmp_path / "a.mp4", count=62, key=40), tmp_path / "out"
    options = ("--bg", "matte", "--speed", "fast", "--crf", 4)
    split = (source, out, *options, "--split", "on", "--part-seconds", 1.6)
    interrupted(2)  # after the plan, and a part
    assert batch(*split)[0] == 130
    assert [path.name for path in (out / ".streamseg" / "parts").glob("*/*.json")] == ["00000.json"]
    interrupted(3)  # it needs no more than the plan, the other part, the joining
    status, events, err = batch(*split)
    assert status == 0, err
    assert events[-1].items() >= {"done": 1, "frames": 62}.items()
    assert not list((out / ".streamseg").glob("*/*/*"))
    alone, joined = single(source, tmp_path / "alone.mp4", *options), out / "a.mp4"
    assert stamps_of(joined) == stamps_of(alone)
    assert described(joined) == described(alone)
    assert packets_of(joined, "audio") == packets_of(alone, "audio")
    differences = np.abs(luma_of(frames_of(joined)) - luma_of(frames_of(alone))).mean(axis=(1, 2))
    assert len(differences) == 62
    assert differences.mean() < 0.002 and differences.max() < 0.01


def test_images_are_numbered_through_before_a_video_that_goes_on(batch, make_clip, tmp_path):
    source, behind = make_clip(tmp_path / "a.mp4", count=24, key=8), make_clip(tmp_path / "behind.mp4", count=5, skip=9)
    options = ("--bg", behind, "--speed", "fast")
    split = ("--name", "{stem}/", "--split", "on", "--part-seconds", 0.33)
    status, _, err = batch(source, tmp_path / "out", *options, *split)
    assert status == 0, err
    alone, joined = Path(single(source, f"{tmp_path}/alone/", *options)), tmp_path / "out" / "a"
    names = sorted(path.name for path in joined.iterdir())
    assert names == sorted(path.name for path in alone.iterdir()) and len(names) == 25
    assert [name for name in names if (joined / name).read_bytes() != (alone / name).read_bytes()] == []


def test_a_part_of_a_file_for_an_editor(batch, make_clip, tmp_path, packets_of):
    """ProRes with alpha, from the middle of the source on; the same packets."""
    source = make_clip(tmp_path / "a.mp4", count=30, key=5)
    options = ("--start", "0.3", "--duration", "0.75", "--speed", "fast")
    out = tmp_path / "out"
    status, events, err = batch(source, out, *options, "--name", "{stem}.mov", "--split", "on", "--part-seconds", 0.25)
    assert status == 0, err
    assert told(events, "note") == []
    alone = single(source, tmp_path / "alone.mov", *options)
    assert stamps_of(out / "a.mov") == stamps_of(alone)
    assert packets_of(out / "a.mov", "video") == packets_of(alone, "video")
    assert packets_of(out / "a.mov", "audio") == packets_of(alone, "audio")


def told(events, kind):
    return [event["text"] for event in events if event["event"] == kind]


@pytest.mark.parametrize(
    ("key", "name", "reason"),
    [
        (3, "{stem}.webm", "the alpha of VP9 cannot be joined"),
        (99, "{stem}.mp4", "it is too short to be cut, or has no key frame in the middle"),
    ],
)
def test_what_cannot_be_cut_is_left_to_one_worker(batch, make_clip, tmp_path, frames_of, key, name, reason):
    source, out = make_clip(tmp_path / "a.mp4", key=key), tmp_path / "out"
    status, events, err = batch(source, out, "--name", name, "--split", "on", "--part-seconds", 0.1, "--speed", "fast")
    assert status == 0, err
    assert told(events, "note") == [f"one worker does it: {reason}"]
    assert len(frames_of(out / name.format(stem="a"))) == 6


def test_a_damaged_source_is_left_to_one_worker_who_keeps_what_came_before(batch, make_clip, tmp_path):
    source = make_clip(tmp_path / "a.mkv", count=72, key=8)
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 4])
    status, events, _ = batch(
        source, tmp_path / "out", "--split", "on", "--part-seconds", 0.3, "--bg", "red", "--speed", "fast"
    )
    assert status == 1
    assert told(events, "note") == ["one worker does it: it seems to be truncated"]
    assert "truncated" in next(event["reason"] for event in events if event["event"] == "failed")
    assert (tmp_path / "out" / "a.mp4").exists()


def test_cuts_are_at_key_frames_and_no_part_is_short():
    keys = [0.0, 8.3, 16.7, 25.0, 33.3, 41.7, 50.0, 58.3]
    assert choose_cuts(keys, 0.0, 60.0, 20.0) == [16.7, 33.3, 50.0]
    assert choose_cuts(keys, 0.0, 58.4, 20.0) == [16.7, 33.3]
    assert choose_cuts(keys, 0.0, 60.0, 90.0) == []
    assert choose_cuts([0.0, 300.0], 0.0, 400.0, 30.0) == [300.0]
    assert choose_cuts([0.0], 0.0, 400.0, 30.0) == []
    many = [k / 2 for k in range(2000)]
    lengths = [after - before for before, after in pairwise([0.0, *choose_cuts(many, 0.0, 1000.0, 30.0), 1000.0])]
    assert min(lengths) >= 15 and max(lengths) <= 45


def test_decoding_times_go_on_across_parts_as_with_one_encoder():
    """Two frames of delay, and uneven times."""

    def part(*stamps):
        return [Record(pts, dts, 0, False, 1) for pts, dts in stamps]

    parts = [part((0, -2), (3, -1), (1, 0), (2, 1)), part((10, 8), (13, 9), (11, 10), (12, 11))]
    assert decoding_times(parts) == [-2, -1, 0, 1, 2, 3, 10, 11]
    with pytest.raises(NotSplit, match="the same time"):
        decoding_times([part((0, 0)), part((0, 0))])


def test_files_are_cut_where_workers_would_wait_for_one_of_them():
    def chosen(seconds, workers, split="auto"):
        return worth_splitting([Size(each) for each in seconds], workers, split)

    assert chosen([3600], 2) == [True]
    assert chosen([3600], 1) == [False]
    assert chosen([600] * 12, 2) == [False] * 12
    assert chosen([600] * 3, 2) == [True] * 3
    assert chosen([3600, 60, 60], 2) == [True, False, False]
    assert chosen([30], 8) == [False]
    assert chosen([3600, 9], 2, "off") == [False, False]
    assert chosen([9, 9], 2, "on") == [True, True]
