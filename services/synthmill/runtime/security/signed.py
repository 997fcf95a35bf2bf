"""From a signed token to who it stands for."""

from __future__ import annotations

import collections
import dataclasses
import json
import time
from collections.abc import Mapping
from typing import Any

import jwt

from synthmill.runtime.errors import InvalidField, Unauthenticated
from synthmill.runtime.security.files import read_text
from synthmill.runtime.security.principals import Principal
from synthmill.runtime.security.roles import with_included
from synthmill.runtime.watched import Watched

# Clocks of two machines differ by less.
_LEEWAY_S = 30.0
_REMEMBERED = 4096


@dataclasses.dataclass(frozen=True)
class Issuer:
    """Whose signed tokens are accepted.

    Attributes:
        keys: file with a JSON Web Key Set (RFC 7517) of public keys; during a rotation it holds both, told by `kid`.
        issuer: `iss` of the tokens.
        audience: what `aud` of the tokens must have.
        algorithm: one of `config.ALGORITHMS`; what a token says about itself is not believed.
    """

    keys: str
    issuer: str
    audience: str
    algorithm: str


class SignedTokens:
    """JSON Web Tokens (RFC 7519) of one issuer; they carry `sub`, `tenant`, `roles` and `exp`.

    Args:
        issuer: whose; the file of keys is read again when it changes.

    Raises:
        InvalidField: the keys cannot be read.
    """

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        self._keys = Watched([issuer.keys], lambda: _keys(issuer.keys))
        self._remembered: collections.OrderedDict[str, tuple[Mapping[str, Any], Principal, float]] = (
            collections.OrderedDict()
        )

    def find(self, token: str) -> Principal:
        """As `Tokens.find`; remembers tokens, because checking a signature takes longer than many a call."""
        keys = self._keys.get()
        remembered = self._remembered.get(token)
        # Another set of keys may no longer have the one that signed it.
        if remembered is None or remembered[0] is not keys or remembered[2] < time.time():
            remembered = (keys, *self._checked(token, keys))
            self._remembered[token] = remembered
            if len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)
        return remembered[1]

    def _checked(self, token: str, keys: Mapping[str, Any]) -> tuple[Principal, float]:
        try:
            claims = jwt.decode(
                token,
                self._key_of(token, keys),
                algorithms=[self._issuer.algorithm],
                audience=self._issuer.audience,
                issuer=self._issuer.issuer,
                leeway=_LEEWAY_S,
                options={"require": ["exp", "sub", "iss", "aud"]},
            )
            roles = claims.get("roles", [])
            if not isinstance(roles, list) or not isinstance(claims.get("tenant", ""), str):
                raise Unauthenticated("the token is not accepted: roles is a list of names, and tenant a name")
            return Principal(claims["sub"], claims.get("tenant", ""), with_included(roles)), claims["exp"] + _LEEWAY_S
        except (jwt.PyJWTError, InvalidField) as error:
            raise Unauthenticated(f"the token is not accepted: {error}") from None

    def _key_of(self, token: str, keys: Mapping[str, Any]) -> Any:
        named = jwt.get_unverified_header(token).get("kid", "")
        if not named and len(keys) == 1:
            return next(iter(keys.values()))
        if named not in keys:
            raise Unauthenticated("the token is not accepted: it is signed with no key of ours")
        return keys[named]


def _keys(path: str) -> dict[str, Any]:
    try:
        listed = json.loads(read_text("jwt_keys", path))["keys"]
        keys = {key.get("kid", ""): jwt.PyJWK(key).key for key in listed}
    except (ValueError, KeyError, TypeError, AttributeError, jwt.PyJWTError) as error:
        raise InvalidField("jwt_keys", path, f"a JSON Web Key Set of public keys ({error})") from None
    if not keys or len(keys) < len(listed):
        raise InvalidField("jwt_keys", path, "at least one key, and no two with the same kid")
    return keys
