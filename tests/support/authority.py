"""Certificates and signed tokens, as an authority and an issuer make them."""

from __future__ import annotations

import datetime
import ipaddress
import json
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ISSUER, AUDIENCE = "https://issuer.test", "synthmill"
ALGORITHM = "ES256"


class Authority:
    """Signs certificates; its own is `ca.pem` in its folder."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = self._sign(name, self._key, None)
        self.ca = str(_written(folder / "ca.pem", _pem(self._certificate)))

    def issue(self, name: str) -> tuple[str, str]:
        """Writes a certificate for this machine and its key, and returns the paths of both."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(name, key, self._certificate)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        paths = self.paths(name)
        for path, content in zip(paths, (_pem(certificate), private), strict=True):
            _written(Path(path), content)
        return paths

    def paths(self, name: str) -> tuple[str, str]:
        """Returns where a certificate and its key are."""
        return str(self._folder / f"{name}.pem"), str(self._folder / f"{name}.key")

    def _sign(self, name: str, key: ec.EllipticCurvePrivateKey, issuer: x509.Certificate | None) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        begin = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=5)
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.subject if issuer else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(begin + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
        )
        return builder.sign(self._key, hashes.SHA256())


class Issuer:
    """Signs tokens with keys whose public halves are in a file."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "keys.json"
        self._keys: dict[str, ec.EllipticCurvePrivateKey] = {}
        self.add_key("first")

    def add_key(self, kid: str) -> None:
        """Adds a key and publishes it."""
        self._keys[kid] = ec.generate_private_key(ec.SECP256R1())
        self.publish(*self._keys)

    def publish(self, *kids: str) -> None:
        """Writes the public halves of some of the keys."""
        keys = [{**self._public(kid), "kid": kid, "alg": ALGORITHM, "use": "sig"} for kid in kids]
        _written(self.path, json.dumps({"keys": keys}).encode())

    def public_pem(self, kid: str = "first") -> bytes:
        """Returns the public half of a key."""
        public = self._keys[kid].public_key()
        return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    def token(self, *roles: str, kid: str = "first", age_s: float = 0.0, **claims: Any) -> str:
        """Returns a token that was good for an hour `age_s` seconds ago."""
        expires = time.time() + 3600 - age_s
        told = {"sub": "tester", "tenant": "vision", "roles": list(roles), "iss": ISSUER, "aud": AUDIENCE}
        return jwt.encode({**told, "exp": expires, **claims}, self._keys[kid], ALGORITHM, {"kid": kid})

    def flags(self) -> list[str]:
        """Returns the flags of a service that lets its tokens in."""
        return [
            *("--jwt-keys", str(self.path), "--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE),
            *("--jwt-algorithm", ALGORITHM),
        ]

    def _public(self, kid: str) -> dict[str, Any]:
        return jwt.algorithms.ECAlgorithm.to_jwk(self._keys[kid].public_key(), as_dict=True)


def _written(path: Path, content: bytes) -> Path:
    # In one step, as whoever replaces such a file does it.
    fresh = path.with_suffix(".fresh")
    fresh.write_bytes(content)
    return fresh.replace(path)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
