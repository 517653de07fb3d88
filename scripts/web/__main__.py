# SPDX-License-Identifier: Apache-2.0
"""python3 -m scripts.web apid/web: the files of the dashboard as C, on standard output.

All of them share one folder, named by a hash of them all: a page never sees modules of
two versions. index.html names that folder where it says {web}, and loads the
modules ahead of their turn where it says {modules}."""

from __future__ import annotations

import gzip
import hashlib
import sys
from pathlib import Path

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
PAGE = "index.html"
PER_LINE = 500


def array(name: str, data: bytes) -> str:
    lines = (",".join(map(str, data[i:i + PER_LINE])) for i in range(0, len(data), PER_LINE))
    return f"static const unsigned char {name}[] = {{\n" + ",\n".join(lines) + "};\n"


def hash_of(files: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, data in sorted(files.items()):
        digest.update(f"{name}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()[:16]


def page(files: dict[str, bytes], folder: str) -> bytes:
    modules = "\n".join(f'<link rel="modulepreload" href="{folder}{name}">'
                        for name in sorted(files) if name.endswith(".js"))
    text = files[PAGE].decode()
    assert "{web}" in text and "{modules}" in text
    return text.replace("{modules}", modules).replace("{web}", folder).encode()


def source(files: dict[str, bytes]) -> str:
    digest = hash_of(files)
    served = {name: data for name, data in sorted(files.items()) if name != PAGE}
    html = page(files, f"/web/{digest}/")
    parts = ['/* Made of apid/web by scripts/web. */\n#include "apid/web.h"\n',
             f'const char web_hash[] = "{digest}";\n',
             array("page", html),
             f"const struct slice web_page = {{ (const char *)page, {len(html)} }};\n"]
    small = [gzip.compress(data, mtime=0) for data in served.values()]
    parts += [array(f"file_{i}", data) for i, data in enumerate(served.values())]
    parts += [array(f"gzip_{i}", data) for i, data in enumerate(small)]
    parts.append("const struct web_file web_files[] = {\n")
    parts += [f'{{ "{name}", "{TYPES[Path(name).suffix]}", '
              f"{{ (const char *)file_{i}, {len(data)} }},\n"
              f"{{ (const char *)gzip_{i}, {len(small[i])} }} }},\n"
              for i, (name, data) in enumerate(served.items())]
    parts.append("{ NULL, NULL, { NULL, 0 }, { NULL, 0 } } };\n")
    return "".join(parts)


def main(folder: Path) -> None:
    sys.stdout.write(source({path.name: path.read_bytes() for path in folder.iterdir()}))


main(Path(sys.argv[1]))
