# SPDX-License-Identifier: Apache-2.0
"""DKIM signatures, good and bad, made by python3-dkim or, where that would not
make them, from its parts. No SPF helps: the mail comes from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import time
from dataclasses import replace

import dkim
import dkim.canonicalization
import dkim.crypto
import pytest

from scripts.stack.mail import Signer, compose
from scripts.stack.reader import STRANGER, Reader

ALICE = "alice@signed.example"
ENVELOPE = "bounces@elsewhere.example"

PASS = ("pass", "", True)
UNALIGNED = ("pass", "", False)
BROKEN = ("fail", "bad_signature", True)


class Keys:
    """One key for many names (making keys takes time), and a few of special kinds."""

    def __init__(self) -> None:
        self.good = Signer.new("signed.example")
        self.weak = Signer.new("signed.example", "weak", 512)
        self.short = Signer.new("signed.example", "short", 1024)

    def of(self, domain: str, selector: str = "k1") -> Signer:
        return replace(self.good, domain=domain, selector=selector)


@pytest.fixture(scope="module")
def keys(stack) -> Keys:
    keys = Keys()
    good = f"v=DKIM1; k=rsa; p={keys.good.public_base64}"
    for signer in (keys.good, keys.weak, keys.short, keys.of("mail.signed.example"),
                   keys.of("elsewhere.example"), keys.of("example"),
                   *(keys.of("signed.example", f"k{i}") for i in range(2, 21))):
        stack.dns.set(signer.record[0], "TXT", signer.record[1])
    for selector, records in {
        "two": (good, good.replace("v=DKIM1", "v=DKIM1; n=2")),
        "revoked": ("v=DKIM1; k=rsa; p=",),
        "garbage": ("v=DKIM1; k=rsa; p=!!!!",),
        "version": (good.replace("DKIM1", "DKIM2"),),
        "type": (good.replace("k=rsa", "k=dsa"),),
        "sha1only": (good.replace("k=rsa", "k=rsa; h=sha1"),),
        "strict": (good.replace("k=rsa", "k=rsa; t=s"),),
        "service": (good.replace("k=rsa", "k=rsa; s=tlsrpt"),),
        "huge": (good + "; n=" + "x" * 3500,),
        "tested": (good.replace("k=rsa", "k=rsa; t=y"),),
        "bare": (f"p={keys.good.public_base64}",),
    }.items():
        stack.dns.set(f"{selector}._domainkey.signed.example", "TXT", *records)
    stack.dns.set("_dmarc.signed.example", "TXT", "v=DMARC1; p=reject")
    stack.dns.reload()
    return keys


def letter(**headers: str) -> bytes:
    return compose(ALICE, "bot@agents.example", **headers)


def sign_with(signer: Signer, message: bytes, names: str = "from:to:subject:date",
              hashed: bytes | None = None, **tags: str) -> bytes:
    """A relaxed/relaxed signature with tags as wanted; an empty value leaves a tag out."""
    header, _, body = message.partition(b"\r\n\r\n")
    canon = dkim.canonicalization.Relaxed
    digest = hashlib.sha256(hashed if hashed is not None else canon.canonicalize_body(body))
    values = {"v": "1", "a": "rsa-sha256", "c": "relaxed/relaxed", "d": signer.domain,
              "s": signer.selector, "h": names, "bh": base64.b64encode(digest.digest()).decode(),
              **tags}
    text = "".join(f" {k}={v};" for k, v in values.items() if v) + " b="
    fields = [tuple(line.split(b":", 1)) for line in header.split(b"\r\n")]
    signed = [next((f for f in reversed(fields) if f[0].lower() == n.encode()), None)
              for n in names.lower().split(":")]
    lines = canon.canonicalize_headers([(n, v + b"\r\n") for n, v in filter(None, signed)])
    lines += [(n, v.rstrip(b"\r\n")) for n, v in
              canon.canonicalize_headers([(b"DKIM-Signature", text.encode() + b"\r\n")])]
    hasher = hashlib.sha256(b"".join(n + b":" + v for n, v in lines))
    private = dkim.crypto.parse_pem_private_key(signer.private_pem)
    value = dkim.crypto.RSASSA_PKCS1_v1_5_sign(hasher, private)
    return b"DKIM-Signature:" + text.encode() + base64.b64encode(value) + b"\r\n" + message


def broken(signed: bytes) -> bytes:
    """Another signature of the same form, but for one letter."""
    at = signed.index(b" b=") + 10
    return signed[:at] + (b"A" if signed[at:at + 1] != b"A" else b"B") + signed[at + 1:]


def openssl(*argv: str, data: bytes = b"") -> bytes:
    return subprocess.run(["/usr/bin/openssl", *argv, "-outform", "DER"], input=data, check=True,
                          capture_output=True).stdout


def ed25519() -> tuple[bytes, str]:
    """Private and public key, as python3-dkim takes and DNS holds them: the last 32 bytes."""
    private = openssl("genpkey", "-algorithm", "ed25519")
    public = openssl("pkey", "-inform", "DER", "-pubout", data=private)
    return base64.b64encode(private[-32:]), base64.b64encode(public[-32:]).decode()


def take(reader: Reader, message: bytes):
    got = reader.take(message, ENVELOPE, STRANGER)
    assert got.verdict == "sealed"
    assert got.raw.endswith(message)
    return got


HOUR = 3600
now = int(time.time())

# One signature each: how it is made, what is found. (result, reason, aligned)
ONE = {
    "aligned": (lambda k: k.good.sign(letter()), PASS),
    "made by hand": (lambda k: sign_with(k.good, letter()), PASS),
    "of a domain below": (lambda k: k.of("mail.signed.example").sign(letter()), PASS),
    "of another domain": (lambda k: k.of("elsewhere.example").sign(letter()), UNALIGNED),
    "of the public suffix": (lambda k: k.of("example").sign(letter()),
                             ("permerror", "domain", False)),
    "1024 bits": (lambda k: k.short.sign(letter()), PASS),
    "512 bits": (lambda k: k.weak.sign(letter()), ("policy", "weak_key", True)),
    "body length": (lambda k: k.good.sign(letter(), length=True), ("policy", "body_length", True)),
    "body length of nothing": (lambda k: sign_with(k.good, letter(), hashed=b"", l="0"),
                               ("policy", "body_length", True)),
    # Relaxed canonicalisation hides the change from the signature.
    "body length behind a vertical tab": (
        lambda k: sign_with(k.good, letter(), hashed=b"", l="0").replace(b" l=", b"\x0bl="),
        ("permerror", "syntax", False)),
    "body length behind a form feed": (
        lambda k: sign_with(k.good, letter(), hashed=b"", l="0").replace(b" l=", b"\x0cl="),
        ("permerror", "syntax", False)),
    "expired": (lambda k: sign_with(k.good, letter(), t=str(now - HOUR), x=str(now - HOUR // 2)),
                ("fail", "expired", True)),
    "expires later": (lambda k: sign_with(k.good, letter(), t=str(now), x=str(now + HOUR)), PASS),
    "made in the future": (lambda k: sign_with(k.good, letter(), t=str(now + 24 * HOUR)),
                           ("fail", "future", True)),
    "expires before it was made": (
        lambda k: sign_with(k.good, letter(), t=str(int(time.time())), x=str(int(time.time()) - 9)),
        ("permerror", "timestamps", True)),
    "rsa-sha1": (lambda k: sign_with(k.good, letter(), a="rsa-sha1"), ("policy", "rsa_sha1", True)),
    "unknown algorithm": (lambda k: sign_with(k.good, letter(), a="rsa-md5"),
                          ("permerror", "syntax", True)),
    "no algorithm": (lambda k: sign_with(k.good, letter(), a=""), ("permerror", "syntax", True)),
    "version 2": (lambda k: sign_with(k.good, letter(), v="2"), ("permerror", "syntax", True)),
    "no key": (lambda k: k.of("signed.example", "absent").sign(letter()),
               ("permerror", "key_missing", True)),
    "no domain": (lambda k: k.of("gone.signed.example").sign(letter()),
                  ("permerror", "key_missing", True)),
    "two keys": (lambda k: k.of("signed.example", "two").sign(letter()),
                 ("permerror", "key_ambiguous", True)),
    "revoked key": (lambda k: k.of("signed.example", "revoked").sign(letter()),
                    ("permerror", "key_revoked", True)),
    "garbage for a key": (lambda k: k.of("signed.example", "garbage").sign(letter()),
                          ("permerror", "key_syntax", True)),
    "key of version 2": (lambda k: k.of("signed.example", "version").sign(letter()),
                         ("permerror", "key_syntax", True)),
    "key of another type": (lambda k: k.of("signed.example", "type").sign(letter()),
                            ("permerror", "key_type", True)),
    "key for sha1 only": (lambda k: k.of("signed.example", "sha1only").sign(letter()),
                          ("permerror", "key_hash", True)),
    "key not for mail": (lambda k: k.of("signed.example", "service").sign(letter()),
                         ("permerror", "key_service", True)),
    "key with a long note": (lambda k: k.of("signed.example", "huge").sign(letter()),
                             ("policy", "key_too_big", True)),
    "key under test": (lambda k: k.of("signed.example", "tested").sign(letter()), PASS),
    "key without a version": (lambda k: k.of("signed.example", "bare").sign(letter()), PASS),
    "strict key, identity below": (
        lambda k: k.of("signed.example", "strict").sign(letter(), identity=b"@a.signed.example"),
        ("permerror", "subdomain", True)),
    "strict key, same identity": (
        lambda k: k.of("signed.example", "strict").sign(letter(), identity=b"x@signed.example"),
        PASS),
    "identity elsewhere": (lambda k: sign_with(k.good, letter(), i="@elsewhere.example"),
                           ("permerror", "domain", True)),
    "From not signed": (lambda k: sign_with(k.good, letter(), "to:subject"),
                        ("permerror", "from_not_signed", True)),
    "too many names signed": (lambda k: sign_with(k.good, letter(), "from" + ":x" * 70),
                              ("policy", "signed_names", True)),
    "broken": (lambda k: broken(k.good.sign(letter())), BROKEN),
    "body changed": (lambda k: k.good.sign(letter()) + b"P.S.\r\n", ("fail", "body_hash", True)),
    "subject changed": (lambda k: k.good.sign(letter()).replace(b"Subject: Hello",
                                                                b"Subject: Hellp"), BROKEN),
    "another key's signature": (lambda k: replace(k.good, selector="short").sign(letter()), BROKEN),
    "no signature value": (lambda k: k.good.sign(letter()).partition(b" b=")[0] + b" b=\r\n"
                           + letter(), ("permerror", "syntax", True)),
    "a tag twice": (lambda k: sign_with(k.good, letter(), d="signed.example; d=signed.example"),
                    ("permerror", "syntax", False)),
    "no tags": (lambda k: b"DKIM-Signature: pass\r\n" + letter(), ("permerror", "syntax", False)),
    "domain with a comment": (
        lambda k: sign_with(k.good, letter(), d="elsewhere.example(.signed.example"),
        ("permerror", "domain", False)),
    "domain with a quote": (lambda k: sign_with(k.good, letter(), d='"signed.example'),
                            ("permerror", "domain", False)),
    "domain with NUL escaped": (lambda k: sign_with(k.good, letter(), d="signed.example\\0.x"),
                                ("permerror", "domain", False)),
    "selector with a space": (lambda k: sign_with(k.good, letter(), s="k1 k2"),
                              ("permerror", "selector", True)),
    "very long": (lambda k: sign_with(k.good, letter(), z="x" * 20000),
                  ("policy", "too_long", False)),
    "key server broken": (lambda k: k.of("servfail.example").sign(letter()),
                          ("temperror", "dns", False)),
}


@pytest.mark.parametrize("make, found", ONE.values(), ids=ONE.keys())
def test_one_signature(reader: Reader, keys, make, found):
    got = take(reader, make(keys))
    assert got.dkim == [found]
    assert got.verified == (found == PASS)
    assert got.check == "spf=none; dkim=%s; dmarc=%s" % (
        found[0], "pass" if found == PASS else "fail")
    assert got.sender == ALICE


def test_an_aligned_key_that_cannot_be_had_now_is_temperror_all_the_way(reader: Reader, keys):
    message = compose("alice@servfail.example", "bot@agents.example")
    got = take(reader, keys.of("servfail.example").sign(message))
    assert got.dkim == [("temperror", "dns", True)]
    assert got.check == "spf=none; dkim=temperror; dmarc=temperror"
    assert not got.verified


def test_an_ed25519_signature_counts_like_others(reader: Reader, stack):
    private, public = ed25519()
    stack.dns.publish("ed._domainkey.signed.example", "TXT", f"v=DKIM1; k=ed25519; p={public}")
    message = letter()
    signature = dkim.sign(message, b"ed", b"signed.example", private,
                          signature_algorithm=b"ed25519-sha256")
    got = take(reader, signature + message)
    assert (got.dkim, got.verified) == ([PASS], True)
    assert take(reader, broken(signature + message)).dkim == [BROKEN]


def several(keys: Keys, kinds: str) -> bytes:
    """One signature a letter, topmost first: g good, b broken, u unaligned, l with length."""
    message = letter()
    made = {
        "g": lambda i: keys.of("signed.example", f"k{i}").sign(message),
        "b": lambda i: broken(keys.of("signed.example", f"k{i}").sign(message)),
        "u": lambda i: keys.of("elsewhere.example").sign(message),
        "l": lambda i: keys.good.sign(message, length=True),
    }
    return b"".join(made[kind](i)[:-len(message)]
                    for i, kind in enumerate(kinds, 1)) + message


FOUND = {"g": PASS, "b": BROKEN, "u": UNALIGNED, "l": ("policy", "body_length", True)}


@pytest.mark.parametrize("kinds, verified, summary", [
    ("gb", True, "pass"), ("bg", True, "pass"), ("bbbg", True, "pass"),
    ("ug", True, "pass"), ("ub", False, "pass"), ("lg", True, "pass"), ("bl", False, "fail"),
    ("g" * 10, True, "pass"), ("b" * 9 + "g", True, "pass"),
    ("g" * 20, True, "pass"), ("g" + "b" * 19, True, "pass"),
    ("b" * 10 + "g" * 10, False, "fail"), ("b" * 20, False, "fail"),
])
def test_of_several_signatures_the_first_ten_count(reader: Reader, keys, kinds, verified, summary):
    got = take(reader, several(keys, kinds))
    assert got.dkim == [FOUND[kind] for kind in kinds[:10]]
    assert got.verified == verified
    assert got.check.startswith(f"spf=none; dkim={summary};")


BODIES = {
    "8-bit text": "Grüße, 你好\r\n".encode(),
    "Latin-1": b"Gr\xfc\xdfe\r\n",
    "a line of 5,000 bytes": b"a" * 5000 + b"\r\n",
    "8-bit lines of 5,000 bytes": b"\xc3\xbc" * 2500 + b"\r\n" + b"b" * 5000 + b"\r\n",
    "a line of 100,000 bytes": b"a" * 100_000 + b"\r\n",
    "dots": b".\r\n..\r\n.a\r\n...\r\n",
    "From at a line's start": b"From here on\r\n>From there\r\n",
    "white space at ends": b"a \t \r\n \r\n\r\nb\t\r\n",
    "empty lines at the end": b"a\r\n\r\n\r\n\r\n",
    "nothing": b"",
    "one empty line": b"\r\n",
    "every byte but CR and LF": bytes(c for c in range(256) if c not in b"\r\n") + b"\r\n",
    "a megabyte": (b"0123456789" * 7 + b"\r\n") * 14000,
}


@pytest.mark.parametrize("canon", ["simple", "relaxed"])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_signed_body_arrives_as_it_was_signed(reader: Reader, keys, body, canon):
    """Through Postfix, the milter, the queue and LMTP; the agent can check it again."""
    message = letter().partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + body
    signed = keys.good.sign(message, canonicalize=(canon.encode(), canon.encode()))
    got = take(reader, signed)
    assert got.dkim == [PASS]
    assert dkim.verify(got.raw, dnsfunc=lambda name, timeout=5: keys.good.record[1].encode())


@pytest.mark.parametrize("header", [
    b"Subject:no space", b"Subject:  two  spaces ", b"Subject: folded\r\n  here \r\n\tand there",
    b"Subject:\r\n starts with a fold", b"SUBJECT: capitals", b"Subject: Gr\xfc\xdfe",
    b"Subject: " + b"x" * 5000, b"Subject:"])
def test_a_signed_header_arrives_as_it_was_signed(reader: Reader, keys, header):
    """`simple` forgives nothing: not a space, not a fold."""
    message = letter().replace(b"Subject: Hello", header)
    got = take(reader, keys.good.sign(message, canonicalize=(b"simple", b"simple")))
    assert got.dkim == [PASS]
