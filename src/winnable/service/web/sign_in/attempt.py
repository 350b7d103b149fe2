"""An attempt to sign in: what one browser has to bring back from the identity provider.

It lies in a cookie that is signed here and ends after ten minutes. `state` ties the answer to this
browser (against cross-site request forgery), `nonce` ties the ID token to this attempt (against one
of another), and `verifier` is the secret of PKCE (RFC 7636) without which a stolen code is worth
nothing.
"""

import hmac
import secrets
from dataclasses import asdict, dataclass

from itsdangerous import BadData, URLSafeTimedSerializer

ATTEMPT_SECONDS = 600
"""For a password and a second factor."""


@dataclass(frozen=True)
class Attempt:
    """One attempt; `to` is the page to show afterwards, `setting` the fingerprint of the setting
    that it began under."""

    state: str
    nonce: str
    verifier: str
    to: str
    setting: str

    @classmethod
    def begin(cls, to: str, setting: str) -> "Attempt":
        """A new one, which nobody can guess."""
        return cls(
            secrets.token_urlsafe(24),
            secrets.token_urlsafe(24),
            secrets.token_urlsafe(48),
            to,
            setting,
        )

    def is_answered_by(self, state: str, setting: str) -> bool:
        """Whether an answer belongs to this attempt, and nothing was set anew meanwhile."""
        given = state.encode("utf-8", "surrogatepass")
        return hmac.compare_digest(self.state.encode(), given) and self.setting == setting


def pack(attempt: Attempt, serializer: URLSafeTimedSerializer) -> str:
    """The attempt as a cookie."""
    return str(serializer.dumps(asdict(attempt)))


def unpack(cookie: str | None, serializer: URLSafeTimedSerializer) -> Attempt | None:
    """The attempt in a cookie; None if it is over, or was not packed here."""
    try:
        return Attempt(**serializer.loads(cookie or "", max_age=ATTEMPT_SECONDS))
    except (BadData, ValueError):
        return None


def cookie_name(*, has_tls: bool) -> str:
    """By TLS no neighbouring host can plant a cookie of this name (RFC 6265bis, `__Host-`)."""
    return "__Host-winnable_sign_in" if has_tls else "winnable_sign_in"
