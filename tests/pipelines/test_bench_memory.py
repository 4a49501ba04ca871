"""The peak of memory that ``streamseg bench`` tells."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from streamseg.pipelines.bench_memory import peak_megabytes

from streamseg.errors import StreamsegError


@pytest.mark.skipif(sys.platform == "win32", reason="no resource module")
def test_the_peak_is_that_of_the_whole_job(few_frames):
    source = few_frames(count=10, suffix=".mkv")
    large = np.ones(500_000_000, np.uint8)  # of this process, not of that one
    assert 100 < peak_megabytes(str(source), "black", "fast") < 400 < large.nbytes / 1e6
    with pytest.raises(StreamsegError, match=r"no peak of memory could be measured: streamseg: error: .*no such"):
        peak_megabytes(str(source), "nothing-there.png", "fast")
