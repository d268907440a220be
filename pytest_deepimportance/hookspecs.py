"""Hooks that a conftest.py or another plugin may implement."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.hookspec(firstresult=True)
def pytest_idc_batch(batch: Any) -> Any:
    """Turn a batch of a form of your own into (inputs, labels) or a mapping of model arguments.

    Return None to leave the batch to the built-in forms. For example:

        def pytest_idc_batch(batch):
            if isinstance(batch, MySample):
                return batch.image, batch.target
    """


def pytest_idc_criteria() -> Any:
    """Return criteria of your own: a subclass of `pytest_deepimportance.Criterion`, or a list.

    They are measured, shown, gated and chosen by name as the built-in ones are. A conftest.py must
    lie in the root folder for its criteria to be known to --idc-fail-under. For example:

        def pytest_idc_criteria():
            from my_criteria import DeadNeurons
            return DeadNeurons
    """


def pytest_idc_report(report: Any) -> None:
    """See the finished report (`pytest_deepimportance.Report`) of each measured model.

    For example:

        def pytest_idc_report(report):
            print(report.criteria["IDC"].value)
    """
