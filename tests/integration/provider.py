# SPDX-License-Identifier: Apache-2.0
"""An OpenID provider on 127.0.0.1. It checks what a real one checks (client,
redirect URI, PKCE) and can be told to lie, hang or say nonsense."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

CLIENT_ID, CLIENT_SECRET = "e2a client/1", "s3cret: &%"
Answer = Callable[[BaseHTTPRequestHandler], None]


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def jwt(claims: dict[str, Any], alg: str = "RS256") -> str:
    head = b64(json.dumps({"alg": alg, "kid": "1"}).encode())
    return f"{head}.{b64(json.dumps(claims).encode())}.{b64(b'signature')}"


class Provider:
    """`person` is who signs in; `claims` and `info` change what is said of them;
    `instead[path]` answers in another way."""

    def __init__(self) -> None:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                provider.serve(self)

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        self.person = {"sub": "1", "email": "nobody@other.example", "email_verified": True,
                       "name": "Nobody"}
        self.claims: Callable[[dict[str, Any]], dict[str, Any]] = lambda c: c
        self.info: Callable[[dict[str, Any]], Any] = lambda i: i
        self.token: Callable[[str], str] = lambda t: t
        self.instead: dict[str, Answer] = {}
        self.codes: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []
        self.basic = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self) -> Provider:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- the user's side ----

    def sign_in(self, location: str) -> str:
        """What the browser is sent back with: the callback's target."""
        parts = urlsplit(location)
        asked = {k: v[0] for k, v in parse_qs(parts.query, strict_parsing=True).items()}
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{self.issuer}/authorize"
        assert asked["response_type"] == "code" and asked["client_id"] == CLIENT_ID
        assert asked["scope"] == "openid email profile"
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(24)
        self.codes[code] = asked
        back = urlsplit(asked["redirect_uri"])
        return f"{back.path}?{urlencode({'state': asked['state'], 'code': code})}"

    # ---- the server's side ----

    def serve(self, h: BaseHTTPRequestHandler) -> None:
        path = h.path.partition("?")[0]
        body = h.rfile.read(int(h.headers.get("Content-Length", "0")))
        self.asked.append(path)
        if path in self.instead:
            self.instead[path](h)
        elif path == "/.well-known/openid-configuration":
            reply(h, 200, self.discovery())
        elif path == "/token":
            self.redeem(h, {k: v[0] for k, v in parse_qs(body.decode()).items()})
        elif path == "/userinfo":
            good = h.headers["Authorization"] == "Bearer access-1"
            reply(h, 200 if good else 401, self.info(dict(self.person)) if good else {})
        else:
            reply(h, 404, {})

    def discovery(self) -> dict[str, Any]:
        methods = ["client_secret_basic"] if self.basic else ["client_secret_post"]
        return {"issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
                "token_endpoint_auth_methods_supported": methods}

    def redeem(self, h: BaseHTTPRequestHandler, form: dict[str, str]) -> None:
        asked = self.codes.pop(form.get("code", ""), None)
        challenge = b64(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if (not asked or not self.client_is_known(h, form)
                or form["grant_type"] != "authorization_code"
                or form["redirect_uri"] != asked["redirect_uri"]
                or challenge != asked["code_challenge"] or len(form["code_verifier"]) < 43):
            reply(h, 400, {"error": "invalid_grant"})
            return
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "sub": self.person["sub"], "iat": now,
                  "exp": now + 300, "nonce": asked["nonce"]}
        reply(h, 200, {"access_token": "access-1", "token_type": "Bearer", "expires_in": 300,
                       "id_token": self.token(jwt(self.claims(claims)))})

    def client_is_known(self, h: BaseHTTPRequestHandler, form: dict[str, str]) -> bool:
        if not self.basic:
            return (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        pair = "&".join(urlencode({"": part})[1:].replace("+", "%20")
                        for part in (CLIENT_ID, CLIENT_SECRET)).replace("&", ":")
        wanted = base64.b64encode(pair.encode()).decode()
        return h.headers["Authorization"] == f"Basic {wanted}" and "client_secret" not in form


def reply(h: BaseHTTPRequestHandler, status: int, body: Any) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    h.send_response(status)
    h.send_header("Content-Type", "application/json")
    h.send_header("Content-Length", str(len(data)))
    h.end_headers()
    h.wfile.write(data)
