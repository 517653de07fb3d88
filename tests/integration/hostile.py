# SPDX-License-Identifier: Apache-2.0
"""What clients that mean harm send, for any route: bodies, texts, pieces of paths;
and what must never come back."""

from __future__ import annotations

import re

from tests.integration.client import Answer

INSIDE = re.compile(r"SELECT|INSERT|SQL|ERROR:|syntax|relation|column|violates|libpq|postgres|"
                    r"jansson|microhttpd|/usr/|\.c:\d|/work|/tmp|0x[0-9a-f]{6}", re.IGNORECASE)


def leaks(answer: Answer) -> str:
    """What an error says of our inside. A success may hold what a client wrote, and to
    what is no request libmicrohttpd answers in its own words."""
    text = re.sub("<style>.*?</style>", "", answer.body.decode("latin-1"), flags=re.DOTALL)
    ours = answer.status >= 300 and "x-request-id" in answer.headers
    return " ".join(INSIDE.findall(text)) if ours else ""


def nested(depth: int) -> bytes:
    return b'{"x":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


# No JSON object, or none of a size and depth that is read.
MALFORMED = {
    "empty": b"", "blank": b" \n", "brace": b"{", "key": b'{"slug"', "colon": b'{"slug":',
    "open string": b'{"slug":"a', "half escape": b'{"slug":"\\u00', "bad escape": b'{"slug":"\\x"}',
    "lone surrogate": b'{"slug":"\\ud800"}', "list": b"[]", "null": b"null", "number": b"1",
    "string": b'"slug"', "list of objects": b'[{"slug":"ab"}]', "single quotes": b"{'slug':'ab'}",
    "bare word": b"{slug:1}", "trailing comma": b'{"slug":"ab",}', "comment": b'/**/{"slug":"ab"}',
    "NaN": b'{"x":NaN}', "byte order mark": b'\xef\xbb\xbf{"slug":"ab"}',
    "raw NUL": b'{"slug":"a\0b"}',
    "raw line feed": b'{"slug":"a\nb"}', "UTF-16": '{"slug":"ab"}'.encode("utf-16"),
    "garbage": b"\xff\xfe\x80\0\1", "65 deep": nested(65), "60,000 deep": b"[" * 60000,
    "60,000 objects deep": b'{"a":' * 12000, "huge number": b'{"x":' + b"9" * 5000 + b"}",
    "infinity": b'{"x":1e999999}', "one byte too long": b'{"slug":"ab"}' + b" " * (65536 - 12),
    "a megabyte": b'{"slug":"' + b"a" * 1048576 + b'"}',
}

TEXTS = {
    "CR LF": "a\r\nX-Injected: yes\r\n\r\n", "NUL": "a\0b", "control": "a\x01\x1b[31m\x7f",
    "long": "a" * 60000, "SQL": "a'); DROP TABLE agents; --", "percent": "%s%n%x$1",
    "noncharacter": "\uffff\ufdd0", "right to left": "\u202egnp.exe", "astral": "\U0001f4a9" * 1000,
    "replacement": "\ufffd", "line separators": "\u2028\u2029", "HTML": "<script>alert(1)</script>",
    "backslash": "\\", "empty": "", "blank": " \t ", "a megabyte": "a" * 1048576,
    "lone surrogate": "\ud800", "path": "../../../etc/passwd",
}
WRONG_TYPES = {"number": 1, "fraction": 1.5, "huge number": 10 ** 400, "list": [], "object": {},
               "true": True, "null": None, "text": "x"}

# Pieces of a path, as they are sent.
SEGMENTS = {
    "%": "%", "cut escape": "%4", "no hex": "%zz", "NUL": "%00", "NUL behind": "a%00@agents.example",
    "line": "%0d%0aX-Injected:%20yes", "slash": "%2F", "slash inside": "a%2Fb",
    "encoded twice": "%252F", "at, twice": "a%2540agents.example", "up": "..%2F..%2Fetc%2Fpasswd",
    "dots": "%2e%2e", "overlong slash": "%C0%AF", "no UTF-8": "%ff", "SQL": "'%20OR%201=1--",
    "wildcards": "%25_%25", "raw byte": "\xe9", "long": "a" * 4000, "long and encoded": "%61" * 2500,
    "semicolon": ";x=y", "star": "*", "space": "%20", "own": "me",
}


def fine(answer: Answer) -> None:
    """The client's fault if it is one, and nothing of ours in it."""
    assert 200 <= answer.status < 500, answer
    assert not leaks(answer), answer
    assert "x-injected" not in answer.headers
