"""Which warnings fail a test."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

CATEGORIES = [DeprecationWarning, np.exceptions.VisibleDeprecationWarning]


def warn(category, module):
    warnings.warn_explicit("Setting the shape is deprecated.", category, f"{module}.py", 1, module)


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("module", ["streamseg.device.cuda.platform", "streamseg.frame", "tests.torch", "torchlike"])
def test_a_deprecation_in_our_own_code_is_an_error(module, category):
    with pytest.raises(category):
        warn(category, module)


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("module", ["cupy", "cupy._core.core", "torch.utils", "openvino"])
def test_one_in_another_package_is_shown(module, category):
    with warnings.catch_warnings(record=True) as shown:  # with pytest's filters, which recwarn would replace
        warn(category, module)
    assert len(shown) == 1


def test_other_warnings_of_other_packages_are_errors():
    with pytest.raises(RuntimeWarning):
        warn(RuntimeWarning, "cupy")
