# SPDX-License-Identifier: Apache-2.0
"""A private e2a: Postgres, Postfix, name service and the three daemons in one
directory, on loopback only. `make run`, `make demo`, the integration tests and
the benchmark all start it here."""

from .part import StackError
from .stack import Stack

__all__ = ["Stack", "StackError"]
