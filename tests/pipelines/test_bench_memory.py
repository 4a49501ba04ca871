"""The peak of memory that ``streamseg bench`` tells."""

from __future__ import annotations

import sys

import pytest
from streamseg.pipelines.bench_memory import peak_megabytes

from streamseg.errors import StreamsegError


@pytest.mark.skipif(sys.platform == "win32", reason="no resource module")
def test_the_peak_is_that_of_the_whole_job(few_frames):
    source = few_frames(count=10, suffix=".mkv")
    assert 100 < peak_megabytes(str(source), "black", "fast") < 400
    with pytest.raises(StreamsegError, match=r"no peak of memory could be measured: streamseg: error: .*no such"):
        peak_megabytes(str(source), "nothing-there.png", "fast")
