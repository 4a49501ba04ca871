"""The peak memory that ``streamseg bench`` reports."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from streamseg.pipelines.bench.memory import peak_megabytes

from streamseg.errors import StreamsegError


@pytest.mark.skipif(sys.platform == "win32", reason="no resource module")
def test_the_peak_is_that_of_the_process_of_the_job_alone(few_frames):
    source = few_frames(count=10, suffix=".mkv")
    large = np.ones(500_000_000, np.uint8)  # of this process, not of the one that is measured
    assert 100 < peak_megabytes(str(source), "black", "fast") < 400 < large.nbytes / 1e6
    with pytest.raises(StreamsegError, match=r"the peak memory could not be measured: streamseg: error: .*no such"):
        peak_megabytes(str(source), "nothing-there.png", "fast")
