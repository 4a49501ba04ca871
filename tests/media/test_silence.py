"""Warnings of libraries are silenced, those of everybody else come back."""

from __future__ import annotations

import warnings
from threading import Event, Thread

import pytest

from streamseg.media.silence import without_warnings


def test_two_threads_that_overlap_leave_the_filters_as_they_were():
    before, first_is_in, second_is_in = list(warnings.filters), Event(), Event()

    def first():
        with without_warnings():
            first_is_in.set()
            second_is_in.wait(0.2)  # it is not let in as long as this one is

    def second():
        first_is_in.wait()
        with without_warnings():
            second_is_in.set()
            threads[0].join(5)

    threads = [Thread(target=first), Thread(target=second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before
    with pytest.warns(UserWarning, match="seen"):
        warnings.warn("seen", UserWarning, stacklevel=1)


def test_it_can_be_entered_again_by_the_same_thread():
    with without_warnings(), without_warnings():
        warnings.warn("unseen", UserWarning, stacklevel=1)
