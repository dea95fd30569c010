"""`python openid_provider.py PORT`: the mock provider, made to demand PKCE (RFC 7636), which it does not by itself."""

from __future__ import annotations

import sys
from base64 import urlsafe_b64encode
from hashlib import sha256
from urllib.parse import parse_qs, urlsplit

from flask import Response, jsonify, request
from oidc_provider_mock import User, app

challenges: dict[str, str] = {}  # by code
provider = app(require_nonce=True, user_claims=[User(sub="anna-1", claims={"preferred_username": "anna"})])


@provider.before_request
def demand_challenge() -> tuple[Response, int] | None:
    if request.path == "/oauth2/authorize" and request.args.get("code_challenge_method") != "S256":
        return jsonify(error="invalid_request"), 400
    return None


@provider.after_request
def remember_challenge(response: Response) -> Response:
    for code in parse_qs(urlsplit(response.headers.get("Location", "")).query).get("code", []):
        challenges[code] = request.args["code_challenge"]
    return response


@provider.before_request
def demand_verifier() -> tuple[Response, int] | None:
    if request.path != "/oauth2/token":
        return None
    digest = sha256(request.form.get("code_verifier", "").encode()).digest()
    shown = urlsafe_b64encode(digest).rstrip(b"=").decode()
    if challenges.get(request.form.get("code", "")) != shown:
        return jsonify(error="invalid_grant"), 400
    return None


if __name__ == "__main__":
    provider.run("127.0.0.1", int(sys.argv[1]), threaded=True)
