# SPDX-License-Identifier: Apache-2.0
"""Which URLs may become webhooks, of new agents and of old ones: asked of an e2a-apid
with the settings of production, and names that a real DNS resolves."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest

from scripts.stack.peers import Api
from scripts.stack.stack import Account
from tests.integration.client import second_apid

ADDRESSES = {  # of <label>.hook.example
    "public": ["8.8.8.8"],
    "both": ["8.8.8.8", "2606:4700::1111"],
    "mixed": ["8.8.8.8", "10.0.0.1"],
    "mixed6": ["8.8.8.8", "::1"],
    "loop": ["127.0.0.1"],
    "cgnat": ["100.64.0.1"],
    "metadata": ["169.254.169.254"],
    "zero": ["0.0.0.0"],
    "ten": ["10.1.2.3"],
    "private": ["172.16.0.1"],
    "home": ["192.168.1.1"],
    "test-net": ["198.51.100.7"],
    "benchmark": ["198.18.0.1"],
    "multicast": ["224.0.0.1"],
    "broadcast": ["255.255.255.255"],
    "loop6": ["::1"],
    "unique": ["fd00::1"],
    "link": ["fe80::1"],
    "mapped": ["::ffff:127.0.0.1"],
    "nat64": ["64:ff9b::808:808"],
    "azure": ["168.63.129.16"],
    "isatap": ["2606:4700::5efe:7f00:1"],
    "six-to-four": ["2002:7f00:1::"],
    "teredo": ["2001::1"],
    "doc6": ["2001:db8::1"],
}
GOOD = ("public", "both")

URL = "invalid webhook URL: "
HTTPS = URL + "webhook URL must use HTTPS"
LITERAL = URL + "webhook URL must use a domain name, not an IP address"
PRIVATE = URL + "webhook URL must not resolve to a private/loopback address"
MALFORMED = URL + "invalid URL: malformed host"
USER = URL + "webhook URL must not carry user information"


@pytest.fixture(scope="module")
def strict(stack, account: Account) -> Iterator[Api]:
    for label, addresses in ADDRESSES.items():
        for kind in ("A", "AAAA"):
            of_kind = [a for a in addresses if (":" in a) == (kind == "AAAA")]
            stack.dns.set(f"{label}.hook.example", kind, *of_kind)
    stack.dns.set("alias.hook.example", "CNAME", "loop.hook.example.")
    stack.dns.reload()
    with second_apid(stack, 2, webhook_https="required", webhook_allow="") as apid:
        yield Api(apid.url, account.api_key)


Answer = tuple[int, object]
Make = Callable[..., Answer]


def create(api: Api, url: str, mode: str = "cloud") -> Answer:
    return api.post("/api/v1/agents", {"slug": f"u-{uuid.uuid4().hex[:12]}", "webhook_url": url,
                                       "agent_mode": mode})


def switch(api: Api, url: str, mode: str = "cloud") -> Answer:
    agent = api.make_agent(f"u-{uuid.uuid4().hex[:12]}")
    return api.call("PUT", f"/api/v1/agents/{agent}", {"webhook_url": url, "agent_mode": mode})


def change(api: Api, url: str, _mode: str = "") -> Answer:
    """The URL alone."""
    agent = api.make_agent(f"u-{uuid.uuid4().hex[:12]}")
    return api.call("PUT", f"/api/v1/agents/{agent}", {"webhook_url": url})


@pytest.fixture(params=[create, switch, change], ids=lambda f: f.__name__)
def make(request: pytest.FixtureRequest) -> Make:
    return request.param


@pytest.mark.parametrize("url", ["https://public.hook.example/", "https://both.hook.example",
                                 "HTTPS://PUBLIC.hook.EXAMPLE./x?y=z#f",
                                 "https://public.hook.example:443/a@b",
                                 "https://public.hook.example:8443/"])
def test_a_public_name_over_https_is_taken(strict, make, url):
    status, made = make(strict, url)
    assert status in (200, 201)
    assert strict.get(f"/api/v1/agents/{made['email']}")[1]["webhook_url"] == url


@pytest.mark.parametrize("label", [label for label in ADDRESSES if label not in GOOD]
                         + ["alias"])
def test_a_name_with_an_address_that_is_not_public_is_refused(strict, make, label):
    assert make(strict, f"https://{label}.hook.example/") == (400, PRIVATE + "\n")


SPELLINGS = ["127.0.0.1", "8.8.8.8", "[::1]", "[2606:4700::1111]", "[::ffff:127.0.0.1]"]
DISGUISES = ["127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.0.0.1.", "0", "1",
             "010.8.8.8", "[::1", "::1", "[fe80::1%25eth0]", "[127.0.0.1]", "[v1.x]", "[]",
             "\u0661\u0662\u0667.0.0.1", "127\u30020\u30020\u30021", "\u2460.2.3.4"]


@pytest.mark.parametrize("host", SPELLINGS)
def test_an_address_is_no_name(strict, make, host):
    assert make(strict, f"https://{host}/") == (400, LITERAL + "\n")


@pytest.mark.parametrize("host", DISGUISES)
def test_an_address_in_disguise_is_refused(strict, make, host):
    status, text = make(strict, f"https://{host}/")
    assert status == 400 and text.startswith(URL)
    assert "resolve" not in text, "no resolver may be asked what it makes of this"


BAD = [
    ("http://public.hook.example/", HTTPS),
    ("ftp://public.hook.example/", HTTPS),
    ("//public.hook.example/", HTTPS),
    ("public.hook.example", HTTPS),
    ("file:///etc/passwd", HTTPS),
    ("gopher://public.hook.example/", HTTPS),
    ("javascript:alert(1)", HTTPS),
    ("https:/public.hook.example", HTTPS),
    ("https://", URL + "webhook URL must have a host"),
    ("https:///path", URL + "webhook URL must have a host"),
    ("https://?x", URL + "webhook URL must have a host"),
    ("https://u@public.hook.example/", USER),
    ("https://u:p@public.hook.example/", USER),
    ("https://public.hook.example@127.0.0.1/", USER),
    ("https://127.0.0.1#@public.hook.example/", LITERAL),
    ("https://public.hook.example:0/", URL + "invalid URL: malformed port"),
    ("https://public.hook.example:65536/", URL + "invalid URL: malformed port"),
    ("https://public.hook.example:4x/", URL + "invalid URL: malformed port"),
    ("https://public.hook.example:+443/", URL + "invalid URL: malformed port"),
    ("https://public.hook.example:25/", URL + "webhook URL must not use this port"),
    ("https://public.hook.example:22/", URL + "webhook URL must not use this port"),
    ("https://a..hook.example/", MALFORMED),
    ("https://" + "x" * 64 + ".example/", MALFORMED),
    ("https://" + "x." * 127 + "example/", MALFORMED),
    ("https://public%2ehook.example/", MALFORMED),
    ("https://nowhere.hook.example/", URL + 'cannot resolve webhook host "nowhere.hook.example"'),
    ("https://x.servfail.example/", URL + 'cannot resolve webhook host "x.servfail.example"'),
]


@pytest.mark.parametrize("url, text", BAD, ids=[url[:45] for url, _ in BAD])
def test_a_bad_url_is_refused_with_its_reason(strict, make, url, text):
    assert make(strict, url) == (400, text + "\n")


@pytest.mark.parametrize("url", ["https://{}/\r\nHost: x", " https://{}", "https://{}/ x",
                                 "https://{}\\@x/", "https://{}/\0", "https://{}/\x7f",
                                 "https://{}/\u00e9", "https://\u200b{}/",
                                 "https://{}/" + "x" * 60000])
def test_a_url_is_short_plain_and_printable(strict, make, url):
    assert make(strict, url.format("public.hook.example")) == (
        400, URL + "invalid URL: too long or not plain ASCII\n")


def test_the_check_counts_in_every_mode(strict, make):
    assert make(strict, "https://loop.hook.example/", "local") == (400, PRIVATE + "\n")


def test_an_allowed_network_may_be_an_address_and_plain(api, make):
    """As the session's settings say: webhook_allow = 127.0.0.0/8, https optional."""
    assert make(api, "http://127.0.0.9:25/x")[0] in (200, 201)


@pytest.mark.parametrize("url, text", [
    ("http://public.hook.example/", HTTPS),
    ("http://mixed.hook.example/", PRIVATE),
    ("https://10.0.0.1/", LITERAL),
    ("http://127.1/", MALFORMED),
    ("http://[::1]/", LITERAL),
    ("http://localhost/", PRIVATE),
])
def test_beside_an_allowed_network_the_rules_stay(strict, api, make, url, text):
    assert make(api, url) == (400, text + "\n")


def test_a_name_in_an_allowed_network_is_taken(strict, api, make):
    assert make(api, "http://loop.hook.example:8080/")[0] in (200, 201)
