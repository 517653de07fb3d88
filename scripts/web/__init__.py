# SPDX-License-Identifier: Apache-2.0
"""The dashboard, as e2a-apid serves it."""
