# SPDX-License-Identifier: Apache-2.0
"""A private name service: NSD, authoritative for the root, so that the names
set here are all that exist and no question leaves the machine. Time to live is
0 unless given, so that a change counts at once. Every name below
servfail.example is answered SERVFAIL."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rdatatype
import dns.zone

from .part import Part, StackError, make_dir, run, try_port, wait_until, write_file

CONFIG = """\
server:
  ip-address: 127.0.0.1@{port}
  username: ""
  zonesdir: "{dir}"
  database: ""
  pidfile: ""
  xfrdir: "{dir}"
  xfrdfile: "{dir}/xfrd.state"
  zonelistfile: "{dir}/zones"
  server-count: 1
remote-control:
  control-enable: yes
  control-interface: "{dir}/control"
zone:
  name: "."
  zonefile: "root.zone"
zone:
  name: "servfail.example"
  zonefile: "absent.zone"
"""

PROBES = 20

Key = tuple[str, str]


def quote_txt(text: str) -> str:
    """One TXT record as character strings of at most 255 bytes (RFC 1035 3.3.14)."""
    data = text.encode()
    chunks = [data[i:i + 255] for i in range(0, len(data), 255)] or [b""]
    plain = {c for c in range(0x20, 0x7f)} - {ord('"'), ord("\\")}
    return " ".join('"' + "".join(chr(c) if c in plain else f"\\{c:03d}" for c in chunk) + '"'
                    for chunk in chunks)


class Dns(Part):
    name = "dns"
    user = "nobody"

    def __init__(self, state: Path, port: int):
        super().__init__(state)
        self.port = port
        self.dir = state / "dns"
        self.serial = 1
        self.negative_ttl = 0
        self.records: dict[Key, list[tuple[int, str]]] = {}

    def prepare(self) -> None:
        make_dir(self.dir, 0o755, "nobody")
        write_file(self.dir / "nsd.conf", CONFIG.format(port=self.port, dir=self.dir))
        self.write()

    def argv(self) -> list[str]:
        return ["/usr/sbin/nsd", "-d", "-c", str(self.dir / "nsd.conf")]

    def wait_ready(self) -> None:
        self.wait_serial()

    def kill(self) -> None:
        if self.running():
            os.killpg(self.pid, signal.SIGKILL)  # NSD is three processes
        super().kill()
        wait_until("the sockets of the killed name server to be closed", self.port_is_free)

    def port_is_free(self) -> bool:
        try:
            try_port(self.port)
        except OSError:
            return False
        return True

    def set(self, name: str, kind: str, *values: str, ttl: int = 0) -> None:
        """Replaces the records of a name and type; TXT values are plain text,
        others are written as in a zone file. Counts after reload()."""
        key = (name.rstrip(".").lower() + ".", kind.upper())
        if kind.upper() == "TXT":
            values = tuple(quote_txt(v) for v in values)
        self.records[key] = [(ttl, v) for v in values]

    def remove(self, name: str, kind: str) -> None:
        self.records.pop((name.rstrip(".").lower() + ".", kind.upper()), None)

    def reload(self) -> None:
        """Serves what was set; returns when it does."""
        self.serial += 1
        self.write()
        if self.running():
            run(["/usr/sbin/nsd-control", "-c", str(self.dir / "nsd.conf"), "reload", "."])
            self.wait_serial()

    def publish(self, name: str, kind: str, *values: str, ttl: int = 0) -> None:
        self.set(name, kind, *values, ttl=ttl)
        self.reload()

    def publish_zone(self, origin: str, text: str) -> None:
        """Adds the lines of a zone file to what there is."""
        zone = dns.zone.from_text(f"$TTL 0\n{text}", origin, relativize=False,
                                  check_origin=False)
        for name, ttl, data in zone.iterate_rdatas():
            key = (name.to_text().lower(), dns.rdatatype.to_text(data.rdtype))
            self.records.setdefault(key, []).append((ttl, data.to_text()))
        self.reload()

    def txt(self, name: bytes, timeout: float = 5) -> bytes | None:
        """One TXT record as it is served; the `dnsfunc` of python3-dkim."""
        question = dns.message.make_query(name.decode(), dns.rdatatype.TXT)
        answer = dns.query.udp_with_fallback(question, "127.0.0.1", timeout, self.port)[0].answer
        return b"".join(answer[0][0].strings) if answer else None

    def write(self) -> None:
        lines = ["$ORIGIN .\n$TTL 0\n",
                 f". {self.negative_ttl} SOA ns.private.example. root.private.example. "
                 f"{self.serial} 3600 600 86400 {self.negative_ttl}\n",
                 ". NS ns.private.example.\nns.private.example. A 127.0.0.1\n"]
        for (name, kind), values in self.records.items():
            lines += [f"{name} {ttl} {kind} {value}\n" for ttl, value in values]
        write_file(self.dir / "root.zone", "".join(lines), 0o644, "nobody")

    def wait_serial(self) -> None:
        question = dns.message.make_query(".", dns.rdatatype.SOA)

        def answers() -> bool:
            try:
                answer = dns.query.udp(question, "127.0.0.1", port=self.port, timeout=0.5)
            except (dns.exception.DNSException, OSError):
                return False
            return any(record.serial == self.serial for rrset in answer.answer for record in rrset)

        def probe() -> bool:
            if self.process and self.process.poll() is not None:
                raise StackError("the name server ended\n" + self.log_since()[-2000:])
            # the process that served the old zone answers beside the new one for a moment
            return all(answers() for _ in range(PROBES))

        wait_until("the name server to serve its zone (an error in it?)", probe)
