"""The cold start that ``streamseg bench`` reports."""

from __future__ import annotations

import pytest
from streamseg.pipelines.bench.cold_start import cold_start_seconds

from streamseg.errors import StreamsegError


def test_the_time_to_the_first_frame_is_measured(few_frames):
    assert 0.1 < cold_start_seconds(str(few_frames(count=10, suffix=".mkv")), "black") < 60
    with pytest.raises(StreamsegError, match="the cold start could not be measured"):
        cold_start_seconds("nothing-there.mp4", "black")
