"""Hypothesis draws the same cases each time, so that a change is judged by what it changes; SKERRY_EXPLORE=1 draws others."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("steady", derandomize=True, deadline=None)
if not os.environ.get("SKERRY_EXPLORE"):
    settings.load_profile("steady")
