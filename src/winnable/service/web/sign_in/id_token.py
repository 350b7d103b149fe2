"""ID tokens: who somebody is, as the identity provider has signed it.

Signature, issuer, audience, expiry and nonce are checked by authlib and joserfc, which are loaded
by the first who signs in. Only signatures that need the provider's private key are taken: neither
none (`alg: none`) nor one by a shared secret.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from winnable.service.web.sign_in.configuration import MAY_SIGN_IN, CompanySignIn

ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
CLOCK_SECONDS = 60
"""How far the provider's clock may be off."""

MAX_TOKEN_CHARACTERS = 100_000
MAX_SUBJECT_CHARACTERS = 255
"""As OpenID Connect says (Core, section 2)."""

MAX_NAME_CHARACTERS = 80
KEY_NAME_MARK = " (key "
"""Stands in the names of those who signed in with a key, and so in no other."""

_KEY_TYPES = frozenset({"RSA", "EC", "OKP"})


class TokenError(Exception):
    """The ID token proves nothing: says which check failed, for the log."""


class NotAllowedError(Exception):
    """Somebody is who they are, and may not sign in here: says why, to them."""


@dataclass(frozen=True)
class Person:
    """Who signed in: the provider's `subject`, which never changes, and the `name` that answers
    are kept under."""

    subject: str
    name: str


def verified_claims(
    token: object, jwks: object, setting: CompanySignIn, nonce: str
) -> Mapping[str, Any]:
    """The claims of an ID token that this provider has signed for this attempt at this service.
    `TokenError` for any other."""
    from authlib.oidc.core import CodeIDToken
    from joserfc import jwt
    from joserfc.errors import JoseError

    if not isinstance(token, str) or len(token) > MAX_TOKEN_CHARACTERS:
        raise TokenError("there is no ID token")
    try:
        found = jwt.decode(token, _keys(jwks), algorithms=list(ALGORITHMS))
        claims = CodeIDToken(
            found.claims,
            found.header,
            options={
                "iss": {"essential": True, "value": setting.issuer},
                "sub": {"essential": True},
                "aud": {"essential": True, "value": setting.client_id},
                "exp": {"essential": True},
                "iat": {"essential": True},
                "nonce": {"essential": True, "value": nonce},
            },
            params={"nonce": nonce, "client_id": setting.client_id},
        )
        claims.validate(leeway=CLOCK_SECONDS)
    except JoseError as error:
        raise TokenError(f"the ID token is refused: {error.error}") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise TokenError(f"the ID token cannot be read: {type(error).__name__}") from None
    return dict(claims)


def person_of(claims: Mapping[str, Any], setting: CompanySignIn) -> Person:
    """Who a token names. `NotAllowedError` if no group of theirs may sign in, or the token does not
    say what to call them."""
    subject = claims["sub"]
    if not (isinstance(subject, str) and 0 < len(subject) <= MAX_SUBJECT_CHARACTERS):
        raise NotAllowedError("Your identity provider does not say who you are.")
    given = claims.get(setting.groups_claim, [])
    groups = [given] if isinstance(given, str) else given
    if not isinstance(groups, list):
        groups = []
    roles = {setting.groups.get(group) for group in groups if isinstance(group, str)}
    if not roles & MAY_SIGN_IN:
        raise NotAllowedError(
            "You are signed in at your company, but no group of yours may use these pages. Ask"
            " whoever runs winnable to add one."
        )
    return Person(subject, _name(claims, setting.name_claim))


def _name(claims: Mapping[str, Any], claim: str) -> str:
    """What to call somebody: a claim that nobody else can have, as it is. A name that a provider
    has not verified, or that is no plain text, is none."""
    name = claims.get(claim)
    is_plain = isinstance(name, str) and name.isprintable() and name == " ".join(name.split())
    is_verified = claim != "email" or claims.get("email_verified", True) in (True, "true")
    is_ours = KEY_NAME_MARK not in str(name)
    if not (is_plain and is_verified and is_ours and 0 < len(str(name)) <= MAX_NAME_CHARACTERS):
        raise NotAllowedError(
            f"Your identity provider gives no usable {claim}, which your answers are kept under."
            " Ask whoever runs winnable."
        )
    return str(name)


def _keys(jwks: object) -> Any:
    """The provider's public keys; secrets and keys of unknown kinds are left out."""
    from joserfc.jwk import KeySet

    listed = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(listed, list):
        raise TokenError("the provider lists no keys")
    usable = [key for key in listed if isinstance(key, dict) and key.get("kty") in _KEY_TYPES]
    return KeySet.import_key_set({"keys": usable})
