# SPDX-License-Identifier: Apache-2.0
"""Reads the metrics of a daemon, strictly: whatever the text format of Prometheus
(version 0.0.4) or its conventions for names forbid is an error."""

from __future__ import annotations

import math
import re
import urllib.request

NAME = r"[a-z_][a-z0-9_]*"
SAMPLE = re.compile(rf'({NAME})(?:\{{({NAME})="([^"\\\n]*)"\}})? (\S+)')
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]*[1-9])?")
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Metrics = dict[str, float]  # `name` or `name{label="value"}` -> value


def fetch(url: str) -> str:
    """The text, as Prometheus would get it."""
    with urllib.request.urlopen(url, timeout=20) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == CONTENT_TYPE
        return answer.read().decode()


def scrape(url: str) -> Metrics:
    return parse(fetch(url))


def families(text: str) -> list[str]:
    return re.findall(rf"(?m)^# TYPE ({NAME}) ", text)


def parse(text: str) -> Metrics:
    assert text.endswith("\n") and "\n\n" not in text
    metrics: Metrics = {}
    seen: set[str] = set()
    for block in re.split(r"(?m)^(?=# HELP )", text)[1:]:
        name, kind, samples = parse_family(block)
        assert name not in seen, f"{name} comes twice"
        seen.add(name)
        check_names(name, kind)
        if kind == "histogram":
            check_histogram(name, samples)
        assert not metrics.keys() & samples.keys()
        metrics |= samples
    assert text.startswith("# HELP ") and seen
    return metrics


def parse_family(block: str) -> tuple[str, str, Metrics]:
    about, kind_line, *lines = block.rstrip("\n").split("\n")
    help_match = re.fullmatch(rf"# HELP ({NAME}) (\S.*\.)", about)
    kind_match = re.fullmatch(rf"# TYPE ({NAME}) (counter|gauge|histogram)", kind_line)
    assert help_match and kind_match and help_match[1] == kind_match[1], block
    name, kind = kind_match.groups()
    suffix = r"_(bucket|sum|count)" if kind == "histogram" else ""
    labels = set()
    samples: Metrics = {}
    for line in lines:
        match = SAMPLE.fullmatch(line)
        assert match and re.fullmatch(re.escape(name) + suffix, match[1]), line
        assert NUMBER.fullmatch(match[4]), line
        key = line.rsplit(" ", 1)[0]
        assert key not in samples, f"{key} comes twice"
        samples[key] = float(match[4])
        labels.add(match[2])
    assert len(labels) <= 1 or kind == "histogram", block
    return name, kind, samples


def check_names(name: str, kind: str) -> None:
    assert name.endswith("_total") == (kind == "counter"), name
    assert not re.search(r"_(ms|us|milliseconds|minutes|kb)(_|$)", name), f"{name}: no base unit"
    if kind == "histogram":
        assert name.endswith("_seconds"), name


def check_histogram(name: str, samples: Metrics) -> None:
    """Cumulative buckets in order, the last one as large as the count."""
    buckets = []
    for key, value in samples.items():
        match = re.fullmatch(rf'{name}_bucket\{{le="(.*)"\}}', key)
        if match:
            buckets.append((math.inf if match[1] == "+Inf" else float(match[1]), value))
    assert buckets == sorted(buckets) and buckets[-1][0] == math.inf
    assert [n for _, n in buckets] == sorted(n for _, n in buckets)
    assert samples[f"{name}_count"] == buckets[-1][1]
    assert samples[f"{name}_sum"] >= 0
    assert len(samples) == len(buckets) + 2
