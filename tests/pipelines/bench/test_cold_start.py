"""The cold start that ``streamseg bench`` reports."""

from __future__ import annotations

import time

import pytest
from streamseg.pipelines.bench import cold_start
from streamseg.pipelines.bench.cold_start import cold_start_seconds

from streamseg.errors import StreamsegError


def test_the_time_to_the_first_frame_is_measured(few_frames, monkeypatch):
    monkeypatch.setattr(cold_start, "_RUNS", 1)
    source, before = str(few_frames(count=10, suffix=".mkv")), time.monotonic()
    assert 0.1 < cold_start_seconds(source, "black") < time.monotonic() - before
    with pytest.raises(StreamsegError, match="the cold start could not be measured"):
        cold_start_seconds("nothing-there.mp4", "black")
