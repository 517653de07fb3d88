# SPDX-License-Identifier: Apache-2.0
"""A certificate authority for servers that tests start, good ones and bad ones."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


def name_of(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def alternative(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


class Authority:
    def __init__(self, folder: Path, name: str):
        self.folder, self.name, self.serial = folder, name_of(name), 0
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self.make(self.name, self.key.public_key(), [
            (x509.BasicConstraints(ca=True, path_length=0), True),
            (x509.SubjectAlternativeName([alternative(name)]), False)]))
        self.file.chmod(0o644)

    def make(self, subject: x509.Name, public_key: ec.EllipticCurvePublicKey,
             extensions: list[tuple[x509.ExtensionType, bool]], begin: timedelta = -DAY,
             end: timedelta = DAY) -> bytes:
        now = datetime.utcnow()
        builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name)
                   .public_key(public_key).serial_number(x509.random_serial_number())
                   .not_valid_before(now + begin).not_valid_after(now + end))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def server(self, name: str, begin: timedelta = -DAY, end: timedelta = DAY) -> ssl.SSLContext:
        """What a server for that name or address needs."""
        key = ec.generate_private_key(ec.SECP256R1())
        self.serial += 1
        file = self.folder / f"{self.file.stem}-{self.serial}.pem"
        file.write_bytes(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()) + self.make(name_of(name), key.public_key(), [
                (x509.BasicConstraints(ca=False, path_length=None), True),
                (x509.SubjectAlternativeName([alternative(name)]), False)], begin, end))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def itself(self) -> ssl.SSLContext:
        """A server of the authority's name that shows its certificate."""
        file = self.folder / f"{self.file.stem}-self.pem"
        file.write_bytes(self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()) + self.file.read_bytes())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context
