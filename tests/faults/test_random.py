# SPDX-License-Identifier: Apache-2.0
"""One minute of random_run.py. E2A_SEED repeats what chance chose in another one."""

from __future__ import annotations

import os
import random

from tests.faults import random_run

SETTINGS = random_run.SETTINGS
SECONDS = 60


def test_nothing_is_lost_or_invented_whatever_happens(stack, account, journal):
    seed = int(os.environ.get("E2A_SEED", random.randrange(1 << 32)))
    print(f"E2A_SEED={seed}")
    print(random_run.random_run(stack, account, journal, SECONDS, seed))
