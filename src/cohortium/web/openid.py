"""OpenID Connect: authorization code with PKCE, state and nonce, against the one provider that the configuration names.

The site calls the provider when somebody logs in that way, and at no other time nor any other address. What the
provider says is believed only from a token that its key signed for this site, this attempt and this moment.
"""

from __future__ import annotations

import hmac
import json
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from cohortium.config import Config
from cohortium.errors import ConfigError, Refused, Unavailable
from cohortium.keys import read_private

__all__ = ["LIFE", "Attempt", "Identity", "Provider", "sealed", "unsealed"]

SECONDS = 10.0
LIFE = 600  # seconds from the click to the answer
ADDRESSES = ("authorization_endpoint", "token_endpoint", "jwks_uri")
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One login under way, kept in the browser that began it; `invitation` is empty for who has an account."""

    state: str
    nonce: str
    verifier: str
    invitation: str
    until: int


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom the provider vouches for: `issuer` and `subject` never change, `name` is what they are called there."""

    issuer: str
    subject: str
    name: str


class Provider:
    """The configured provider, asked for its addresses at each login; `redirect` is where it sends people back."""

    def __init__(self, config: Config, redirect: str) -> None:
        try:
            import httpx
            from authlib.integrations.httpx_client import OAuth2Client
        except ImportError:
            raise ConfigError("OpenID Connect needs the extra `oidc`: pip install cohortium[oidc]") from None
        settings = config.oidc
        self._issuer, self._errors = settings.issuer, (httpx.HTTPError, ValueError)
        self._client = OAuth2Client(
            settings.client_id,
            read_private(config.file.parent / settings.client_secret_file, "the secret for OpenID Connect"),
            scope="openid profile",
            redirect_uri=redirect,
            code_challenge_method="S256",
            timeout=SECONDS,
        )

    def begin(self, invitation: str) -> tuple[str, Attempt]:
        """Where to send the browser, and what it must bring back."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        attempt = Attempt(state, nonce, verifier, invitation, int(time.time()) + LIFE)
        where, _ = self._client.create_authorization_url(
            self._addresses()["authorization_endpoint"],
            state=attempt.state,
            nonce=attempt.nonce,
            code_verifier=attempt.verifier,
        )
        return str(where), attempt

    def finish(self, attempt: Attempt, code: str) -> Identity:
        """Who came back with this code; `Refused` where the token is not for this site and this attempt."""
        from authlib.integrations.base_client import OAuthError
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        addresses = self._addresses()
        try:
            answer = self._client.fetch_token(addresses["token_endpoint"], code=code, code_verifier=attempt.verifier)
            keys = self._client.request("GET", addresses["jwks_uri"], withhold_token=True).raise_for_status().json()
            token = jwt.decode(str(answer["id_token"]), KeySet.import_key_set(keys), algorithms=ALGORITHMS)
            demanded: dict[str, Any] = {
                "iss": {"essential": True, "value": addresses["issuer"]},
                "aud": {"essential": True, "value": self._client.client_id},
                "nonce": {"essential": True, "value": attempt.nonce},
                "exp": {"essential": True},
                "sub": {"essential": True},
            }
            jwt.JWTClaimsRegistry(leeway=60, **demanded).validate(token.claims)
        except (OAuthError, JoseError, KeyError):
            raise Refused("The provider's answer is not for this login. Please try again.") from None
        except self._errors as error:
            raise Unavailable(f"the provider cannot be reached ({type(error).__name__})") from None
        claims = token.claims
        return Identity(str(claims["iss"]), str(claims["sub"]), str(claims.get("preferred_username", "")))

    def _addresses(self) -> dict[str, Any]:
        """What the provider says of itself; it must call itself what the configuration calls it."""
        where = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        try:
            found = self._client.request("GET", where, withhold_token=True).raise_for_status().json()
        except self._errors as error:
            raise Unavailable(f"the provider cannot be reached ({type(error).__name__})") from None
        if str(found.get("issuer", "")).rstrip("/") != self._issuer.rstrip("/"):
            raise Refused("The provider calls itself something else than the configuration does.")
        scheme = urlsplit(self._issuer).scheme
        if any(urlsplit(str(found.get(key, ""))).scheme != scheme for key in ADDRESSES):
            raise Refused("The provider names addresses without TLS.")
        return dict(found)


def sealed(attempt: Attempt, key: bytes) -> str:
    """The attempt as a cookie that nobody else can make."""
    text = json.dumps(asdict(attempt)).encode()
    return urlsafe_b64encode(hmac.digest(key, b"openid\0" + text, "sha256") + text).decode()


def unsealed(cookie: str, key: bytes) -> Attempt | None:
    """The attempt, where this site made the cookie and it has not ended."""
    try:
        raw = urlsafe_b64decode(cookie.encode())
    except ValueError:
        return None
    seal, text = raw[:32], raw[32:]
    if not hmac.compare_digest(seal, hmac.digest(key, b"openid\0" + text, "sha256")):
        return None
    attempt = Attempt(**json.loads(text))
    return attempt if attempt.until > time.time() else None
