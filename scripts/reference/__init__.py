# SPDX-License-Identifier: Apache-2.0
"""docs/openapi.yaml as data, as a page to read, and as C for e2a-apid."""
