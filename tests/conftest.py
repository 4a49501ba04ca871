"""Fixtures that every folder of tests shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ["STREAMSEG_CACHE"] = ""  # no test fills the user's cache, subprocesses included


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of test data beside the checkout; skips the test where there is none."""
    folder = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}")
    return folder
