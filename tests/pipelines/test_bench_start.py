"""The cold start that ``streamseg bench`` tells."""

from __future__ import annotations

import pytest
from streamseg.pipelines.bench_start import cold_start_seconds

from streamseg.errors import StreamsegError


def test_the_first_frame_is_waited_for(few_frames):
    assert 0.1 < cold_start_seconds(str(few_frames(count=10, suffix=".mkv")), "black") < 60
    with pytest.raises(StreamsegError, match="no cold start could be measured"):
        cold_start_seconds("nothing-there.mp4", "black")
