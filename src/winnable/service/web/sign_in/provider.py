"""The identity provider, asked by OpenID Connect: authorization code flow with PKCE.

Nothing it says is kept from one sign-in to the next, so that new keys and addresses of the
provider count at once. Every question ends in time and within a limit of bytes; an address that it
names has to be https, and no redirect to another server is followed. It blocks, and is to be asked
in a thread of its own.
"""

import base64
import time
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from winnable.errors import StoreError
from winnable.service.http.guards.outgoing import OutgoingClient, RefusedError
from winnable.service.web.sign_in.attempt import Attempt
from winnable.service.web.sign_in.configuration import CompanySignIn, check_address
from winnable.service.web.sign_in.id_token import Person, TokenError, person_of, verified_claims

DEADLINE_SECONDS = 8.0
"""For all that has to be asked for one page."""

SCOPES = ("openid", "email", "profile")
GROUPS_SCOPE = "groups"
"""Some providers list groups only where this is asked for, others refuse what they do not know."""

_DISCOVERY = "/.well-known/openid-configuration"


class IdentityProvider:
    """The provider of one setting. Safe to use from several threads."""

    def __init__(self, setting: CompanySignIn) -> None:
        self._setting = setting

    def check(self) -> None:
        """`StoreError` unless the provider answers, and is the one that is meant."""
        self._metadata(self._client(), time.monotonic() + DEADLINE_SECONDS)

    def authorization_url(self, attempt: Attempt) -> str:
        """Where to send a browser for this attempt. `StoreError` if the provider does not say."""
        from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
        from authlib.oauth2.rfc7636 import create_s256_code_challenge

        metadata = self._metadata(self._client(), time.monotonic() + DEADLINE_SECONDS)
        known = metadata.get("scopes_supported")
        has_groups = isinstance(known, list) and GROUPS_SCOPE in known
        return str(
            prepare_grant_uri(
                metadata["authorization_endpoint"],
                client_id=self._setting.client_id,
                response_type="code",
                redirect_uri=self._setting.redirect_uri,
                scope=" ".join([*SCOPES, GROUPS_SCOPE] if has_groups else SCOPES),
                state=attempt.state,
                nonce=attempt.nonce,
                code_challenge=create_s256_code_challenge(attempt.verifier),
                code_challenge_method="S256",
            )
        )

    def person(self, code: str, issuer: str | None, attempt: Attempt) -> Person:
        """Who came back with a code; `issuer` is the one that the answer names (RFC 9207).

        `StoreError` if the provider does not answer as it should, `TokenError` if what it answers
        proves nothing, `NotAllowedError` if that person may not sign in.
        """
        until = time.monotonic() + DEADLINE_SECONDS
        client = self._client()
        metadata = self._metadata(client, until)
        is_required = metadata.get("authorization_response_iss_parameter_supported") is True
        if issuer != self._setting.issuer and (issuer is not None or is_required):
            raise TokenError("the answer is of another issuer")
        try:
            answer = client.ask_json(self._token_request(metadata, code, attempt.verifier), until)
        except RefusedError as error:
            if error.status == HTTPStatus.BAD_REQUEST:
                raise TokenError("the provider does not take the code") from None
            raise
        token = answer.get("id_token") if isinstance(answer, dict) else None
        jwks = client.ask_json(urllib.request.Request(metadata["jwks_uri"]), until)
        claims = verified_claims(token, jwks, self._setting, attempt.nonce)
        return person_of(claims, self._setting)

    def _client(self) -> OutgoingClient:
        return OutgoingClient("identity provider", "Nothing was sent there.")

    def _metadata(self, client: OutgoingClient, until: float) -> Mapping[str, Any]:
        """What the provider says of itself (OpenID Connect Discovery)."""
        address = self._setting.issuer.rstrip("/") + _DISCOVERY
        found = client.ask_json(urllib.request.Request(address), until)
        if not isinstance(found, dict) or found.get("issuer") != self._setting.issuer:
            raise StoreError(
                "The identity provider calls itself by another name than the issuer that was set."
            )
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            try:
                check_address(found.get(name))
            except ValueError:
                raise StoreError(f"The identity provider names no safe {name}.") from None
        return found

    def _token_request(
        self, metadata: Mapping[str, Any], code: str, verifier: str
    ) -> urllib.request.Request:
        from authlib.oauth2.rfc6749.parameters import prepare_token_request

        setting = self._setting
        body = prepare_token_request(
            "authorization_code",
            redirect_uri=setting.redirect_uri,
            code=code,
            code_verifier=verifier,
            client_id=setting.client_id,
        )
        headers = {"Accept": "application/json"}
        if setting.client_secret and _takes_basic(metadata):
            headers["Authorization"] = _basic(setting.client_id, setting.client_secret)
        elif setting.client_secret:
            body += f"&client_secret={quote(setting.client_secret, safe='')}"
        return urllib.request.Request(
            metadata["token_endpoint"], body.encode("ascii"), headers, method="POST"
        )


def _takes_basic(metadata: Mapping[str, Any]) -> bool:
    """Whether the secret goes into a header, which is so where a provider does not say."""
    known = metadata.get("token_endpoint_auth_methods_supported")
    return not isinstance(known, list) or "client_secret_basic" in known


def _basic(client_id: str, secret: str) -> str:
    """Both are encoded as in a form (RFC 6749, section 2.3.1)."""
    pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"
    return "Basic " + base64.b64encode(pair.encode("ascii")).decode("ascii")
