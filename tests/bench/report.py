# SPDX-License-Identifier: Apache-2.0
"""The table of results: one line a figure, ours next to a reference."""

from __future__ import annotations

import json
from pathlib import Path


class Report:
    def __init__(self) -> None:
        self.rows: list[dict] = []

    def heading(self, text: str) -> None:
        print(f"\n{text}\n{'name':<34} {'ours':>10} {'reference':>10} {'ratio':>7}  unit",
              flush=True)

    def add(self, name: str, ours: float, reference: float | None, unit: str,
            ratio: float | None = None) -> None:
        """Without a ratio that was measured, the quotient is one."""
        ratio = ratio or (ours / reference if reference else None)
        self.rows.append({"name": name, "ours": ours, "reference": reference, "ratio": ratio,
                          "unit": unit})
        show = [f"{v:.2f}" if v is not None else "-" for v in (ours, reference, ratio)]
        print(f"{name:<34} {show[0]:>10} {show[1]:>10} {show[2]:>7}  {unit}", flush=True)

    def write(self, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(self.rows, indent=1) + "\n")
