"""Fixtures for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ["STREAMSEG_CACHE"] = ""  # tests and their subprocesses do not use the user's cache


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of test data beside the checkout; skips the test if it is missing."""
    folder = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}")
    return folder
