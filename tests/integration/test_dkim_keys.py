# SPDX-License-Identifier: Apache-2.0
"""Keys that sign mail of a domain: one with each claim, taken turns in, and never
shown."""

from __future__ import annotations

import base64
import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import dkim.crypto
import psycopg2
import pytest

from scripts.stack import Stack
from tests.integration.client import Http
from tests.integration.test_domain_records import Claim, make_claim

CHUNK = 255  # bytes of a character string in DNS
UNDER_WAY = (409, "a rotation is under way: see dkim_next or dkim_retired in dns_records\n")


@pytest.fixture
def claim(stack, api) -> Claim:
    return make_claim(stack, api)


def rows(stack: Stack, sql: str, *values: object) -> list[tuple]:
    with stack.db() as db, db.cursor() as query:
        query.execute(sql, values)
        return query.fetchall()


def keys_of(claim: Claim) -> list[tuple]:
    return rows(claim.stack, "SELECT selector, state, published FROM dkim_keys k JOIN domains d "
                "ON d.id = k.domain_id WHERE d.domain = %s ORDER BY selector", claim.name)


def rotate(claim: Claim) -> tuple[int, object]:
    return claim.api.post(f"/api/v1/domains/{claim.name}/dkim/rotate")


def publish(claim: Claim, record: dict) -> None:
    claim.publish(record["host"], record["value"])


def modulus_bits(record: dict) -> int:
    key = record["value"].partition("p=")[2]
    return dkim.crypto.parse_public_key(base64.b64decode(key))["modulus"].bit_length()


def test_a_claim_has_a_key_of_its_own(stack, claim):
    record = claim.listed()["dns_records"]["dkim"]
    assert (record["selector"], record["host"], record["type"]) == \
        ("e2a1", "e2a1._domainkey", "TXT")
    assert modulus_bits(record) == 2048
    other = make_claim(stack, claim.api)
    assert other.listed()["dns_records"]["dkim"]["value"] != record["value"]
    assert claim.api.post("/api/v1/domains", {"domain": claim.name})[1] == claim.listed()


def test_a_claim_from_before_there_were_keys_gets_one_when_it_is_repeated(stack, claim):
    rows(stack, "DELETE FROM dkim_keys k USING domains d WHERE d.id = k.domain_id "
         "AND d.domain = %s RETURNING 1", claim.name)
    assert "dkim" not in claim.records()
    assert claim.api.post("/api/v1/domains", {"domain": claim.name})[0] == 201
    assert claim.status("dkim") == "missing"


def test_a_record_counts_whole_however_it_is_cut(claim):
    """Longer than a character string: joined it is right, cut at the first it is not."""
    record = claim.records()["dkim"]
    assert len(record["value"]) > CHUNK
    claim.publish(record["host"], record["value"][:CHUNK])
    assert claim.status("dkim") == "different"
    for size in (1, 100, CHUNK):
        text = record["value"].replace("; ", " ;\t") if size == 100 else record["value"]
        chunks = [text[i:i + size] for i in range(0, len(text), size)]
        claim.stack.dns.records[(claim.place(record["host"]) + ".", "TXT")] = [
            (0, " ".join(f'"{chunk}"' for chunk in chunks))]
        claim.stack.dns.reload()
        assert claim.status("dkim") == "published", size


@pytest.mark.parametrize("change", [
    lambda v: v.replace("p=MIIB", "p=MIIC"), lambda v: v[:-1], lambda v: v.replace("rsa", "ed25519"),
    lambda v: v + "; h=sha1", lambda v: "v=DKIM1; k=rsa; p="])
def test_another_key_is_different(claim, change):
    record = claim.records()["dkim"]
    claim.publish(record["host"], change(record["value"]))
    assert claim.status("dkim") == "different"
    assert keys_of(claim) == [("e2a1", "active", False)]


def test_two_records_are_none(claim):
    record = claim.records()["dkim"]
    claim.publish(record["host"], record["value"], "v=DKIM1; k=rsa; p=AAAA")
    assert claim.status("dkim") == "different"


# ---- rotation ----

def test_a_rotation_from_one_end_to_the_other(claim):
    first = claim.records()["dkim"]
    publish(claim, first)
    assert claim.status("dkim") == "published"
    status, answer = rotate(claim)
    records = answer["dns_records"]
    following = records["dkim_next"]
    assert status == 200 and answer == claim.listed()
    assert records["dkim"]["value"] == first["value"], "the old one signs on"
    assert (following["selector"], following["host"]) == ("e2a2", "e2a2._domainkey")
    assert following["value"] != first["value"] and modulus_bits(following) == 2048
    assert rotate(claim) == UNDER_WAY
    assert keys_of(claim) == [("e2a1", "active", True), ("e2a2", "next", False)]

    claim.publish(following["host"], first["value"])
    assert claim.status("dkim_next") == "different"
    publish(claim, following)
    records = claim.records()
    assert "dkim_next" not in records
    assert (records["dkim"]["value"], records["dkim"]["status"]) == \
        (following["value"], "published")
    retired = records["dkim_retired"]
    assert (retired["value"], retired["status"]) == (first["value"], "published")
    until = datetime.fromisoformat(re.sub(r"\.\d+Z$", "", retired["needed_until"]).rstrip("Z"))
    assert timedelta(days=13) < until - datetime.utcnow() < timedelta(days=15)
    assert keys_of(claim) == [("e2a1", "retired", True), ("e2a2", "active", True)]
    assert rotate(claim) == UNDER_WAY, "two selectors, and both are needed"

    rows(claim.stack, "DELETE FROM dkim_keys k USING domains d WHERE d.id = k.domain_id "
         "AND d.domain = %s AND k.state = 'retired' RETURNING 1", claim.name)
    third = rotate(claim)[1]["dns_records"]["dkim_next"]
    assert third["selector"] == "e2a1" and third["value"] != first["value"]
    assert claim.status("dkim_next") == "different", "the old one still stands in its place"


def test_two_that_rotate_at_once_make_one_key(stack, claim):
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: rotate(claim), range(4)))
    assert sorted(status for status, _ in answers) == [200, 409, 409, 409]
    assert keys_of(claim) == [("e2a1", "active", False), ("e2a2", "next", False)]


def test_a_repeated_rotation_is_the_first_one(stack, claim):
    with Http(stack.http_port, claim.api.key) as http:
        first, again = [http.request("POST", f"/api/v1/domains/{claim.name}/dkim/rotate", b"",
                                     "Idempotency-Key: once") for _ in range(2)]
    assert (first.status, again.status) == (200, 200)
    assert again.headers["idempotency-replayed"] == "true" and again.body == first.body


def test_nobody_rotates_what_is_not_his(stack, claim, strange_api):
    theirs = Claim(stack, strange_api, claim.name)
    assert rotate(theirs) == (404, "domain not found\n")
    assert strange_api.post("/api/v1/domains", {"domain": claim.name})[0] == 201
    assert rotate(theirs)[0] == 200
    assert "dkim_next" not in claim.records()
    for name in ("agents.example", "no.example", "%00"):
        assert rotate(Claim(stack, strange_api, name)) == (404, "domain not found\n")


# ---- what never leaves ----

def test_private_keys_stay_where_they_are(stack, account, claim):
    rotate(claim)
    seen = json.dumps([claim.get(), claim.listed()])
    with Http(stack.http_port, account.api_key, timeout=60) as http:
        export = http.request("GET", "/api/v1/users/me/export").text
    keys = next(d for d in json.loads(export)["domains"] if d["domain"] == claim.name)["dkim_keys"]
    assert [(k["selector"], k["state"]) for k in keys] == [("e2a1", "active"), ("e2a2", "next")]
    assert all(k.keys() == {"selector", "state", "public_key", "created_at"} for k in keys)
    for (sealed,) in rows(stack, "SELECT sealed FROM dkim_keys"):
        assert b"PRIVATE" not in bytes(sealed)
        assert bytes(sealed).hex() not in export
        assert base64.b64encode(bytes(sealed)).decode() not in export + seen
    assert "PRIVATE" not in export + seen
    assert "PRIVATE" not in "".join(part.log_since() for part in stack.parts)


def test_the_role_of_apid_cannot_read_one(stack):
    with stack.postgres.connect("e2a_apid") as db, db.cursor() as query:
        query.execute("SELECT selector FROM dkim_keys LIMIT 1")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            query.execute("SELECT sealed FROM dkim_keys")


def test_keys_go_with_their_domain(stack, claim):
    rotate(claim)
    claim.get()
    domain_id, = rows(stack, "SELECT id FROM domains WHERE domain = %s", claim.name)[0]
    assert claim.api.call("DELETE", f"/api/v1/domains/{claim.name}")[0] == 204
    for table in ("dkim_keys", "domain_records"):
        assert rows(stack, f"SELECT FROM {table} WHERE domain_id = %s", domain_id) == []


# ---- domains of the deployment ----

def test_the_shared_domain_has_a_key(stack):
    found = rows(stack, "SELECT selector, state FROM dkim_keys k JOIN domains d "
                 "ON d.id = k.domain_id WHERE d.user_id IS NULL")
    assert found == [("e2a1", "active")]
