# SPDX-License-Identifier: Apache-2.0
"""python3 -m scripts.reference docs/openapi.yaml: the files that e2a-apid serves,
as C, on standard output. With --page, --json: one of them as it is."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from pathlib import Path

from .document import Document
from .page import STYLE, page

# The page has one style sheet, inside it, and nothing else.
POLICY = "default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; form-action 'none'; " \
    "frame-ancestors 'none'"
NO_POLICY = "default-src 'none'; frame-ancestors 'none'"
PER_LINE = 500


def array(name: str, data: bytes) -> str:
    lines = (",".join(map(str, data[i:i + PER_LINE])) for i in range(0, len(data), PER_LINE))
    return f"static const unsigned char {name}[] = {{\n" + ",\n".join(lines) + "};\n"


def table(files: list[tuple[str, str, str, str]]) -> str:
    """C source; each file is its name, type, policy and text."""
    parts = ['/* Made of docs/openapi.yaml by scripts/reference. */\n#include "apid/reference.h"\n']
    for name, media, policy, text in files:
        data = text.encode()
        tag = hashlib.sha256(data).hexdigest()[:16]
        parts.append(array(f"bytes_{name}", data))
        parts.append(f'const struct reference reference_{name} = {{ "{media}", "\\"{tag}\\"",\n'
                     f'"{policy}",\n{{ (const char *)bytes_{name}, {len(data)} }} }};\n')
    return "".join(parts)


def main(argv: list[str]) -> None:
    document = Document.read(Path(argv[-1]))
    html = page(document)
    as_json = json.dumps(document.root, ensure_ascii=False, separators=(",", ":")) + "\n"
    style = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    if "--page" in argv:
        sys.stdout.write(html)
    elif "--json" in argv:
        sys.stdout.write(as_json)
    else:
        sys.stdout.write(table([
            ("page", "text/html; charset=utf-8", POLICY % style, html),
            ("yaml", "application/yaml", NO_POLICY, document.text),
            ("json", "application/json", NO_POLICY, as_json),
        ]))


main(sys.argv[1:])
