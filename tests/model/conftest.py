"""Profiles of the stateful tests: the same examples each time in ``make test``, more in ``make stress``."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

UNWANTED = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]

settings.register_profile(
    "model",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=150,
    stateful_step_count=40,
    report_multiple_bugs=False,
    suppress_health_check=UNWANTED,
    print_blob=True,
)
settings.register_profile(
    "model-stress",
    deadline=None,
    database=None,
    max_examples=int(os.environ.get("DRAWDOWN_MODEL_EXAMPLES", "5000")),
    stateful_step_count=80,
    suppress_health_check=UNWANTED,
    print_blob=True,
)
MODEL_PROFILE = "model-stress" if "DRAWDOWN_MODEL_EXAMPLES" in os.environ else "model"
