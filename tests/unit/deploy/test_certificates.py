"""What make_certificates.sh makes, and makes again when it is time."""

from __future__ import annotations

import ipaddress
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from synthmill.client.addresses import SERVICES

LEAVES = (*SERVICES, "client")


@pytest.fixture
def folder(made, tmp_path) -> Path:
    """A copy of what was made, to be changed."""
    return Path(shutil.copytree(made, tmp_path / "secrets"))


@pytest.fixture
def make(deploy):
    """Runs the script, and returns the names of what it made."""

    def run(folder: Path, **variables: str) -> list[str]:
        command = [deploy.path / "make_certificates.sh", folder]
        done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=True)
        return [name.removesuffix(".pem") for name in done.stdout.split()]

    return run


def certificate(folder: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / f"{name}.pem").read_bytes())


def key(folder: Path, name: str) -> ec.EllipticCurvePrivateKey:
    return serialization.load_pem_private_key((folder / f"{name}.key").read_bytes(), None)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.*")}


def names(found: x509.Certificate) -> set[str]:
    listed = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {*listed.get_values_for_type(x509.DNSName), *map(str, listed.get_values_for_type(x509.IPAddress))}


@pytest.mark.parametrize("name", LEAVES)
def test_a_certificate_is_for_its_service_and_of_the_authority(made, name):
    found = certificate(made, name)
    found.verify_directly_issued_by(certificate(made, "ca"))
    assert found.public_key() == key(made, name).public_key()
    assert isinstance(found.public_key().curve, ec.SECP256R1)
    assert 360 < (found.not_valid_after_utc - found.not_valid_before_utc).days <= 365
    assert not found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usages = set(found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    if name == "client":
        assert usages == {ExtendedKeyUsageOID.CLIENT_AUTH}
    else:
        assert usages == {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH}
        cluster = {f"{name}.synthmill{suffix}" for suffix in ("", ".svc", ".svc.cluster.local")}
        assert names(found) == {name, *cluster, "localhost", "127.0.0.1"}


def test_serial_numbers_differ(made):
    assert len({certificate(made, name).serial_number for name in ("ca", *LEAVES)}) == 1 + len(LEAVES)


def test_only_the_key_of_the_authority_is_for_nobody_in_a_container(made):
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in made.glob("*.*")}
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert {name for name, mode in modes.items() if mode != 0o644} == {"ca.key"}
    assert modes["ca.key"] == 0o600


def test_what_is_good_stays(folder, make):
    before = contents(folder)
    assert make(folder) == []
    assert contents(folder) == before


def test_what_ends_soon_is_made_again_where_it_is(tmp_path, make):
    assert make(tmp_path, DAYS="20") == ["ca", *LEAVES]
    before, places = contents(tmp_path), {path: path.stat().st_ino for path in tmp_path.iterdir()}
    # The authority holds ten times as long.
    assert make(tmp_path) == list(LEAVES)
    after = contents(tmp_path)
    assert {name for name in after if after[name] == before[name]} == {"ca.pem", "ca.key"}
    # Whoever has mounted a file sees what it has become.
    assert {path: path.stat().st_ino for path in tmp_path.iterdir()} == places
    assert make(tmp_path) == []


def test_what_an_authority_has_signed_outlives_its_certificate(folder, make):
    before = contents(folder)
    (folder / "ca.pem").unlink()
    assert make(folder) == ["ca"]
    assert {name for name, content in contents(folder).items() if content != before[name]} == {"ca.pem"}
    certificate(folder, "catalog").verify_directly_issued_by(certificate(folder, "ca"))


def test_what_does_not_belong_together_is_made_again(folder, make, tmp_path):
    shutil.copy(folder / "training.key", folder / "catalog.key")
    (folder / "pipeline.key").write_text("")
    make(tmp_path / "other")
    shutil.copy(tmp_path / "other/sampling.pem", folder)
    shutil.copy(tmp_path / "other/sampling.key", folder)
    assert make(folder) == ["catalog", "sampling", "pipeline"]
    assert make(folder) == []


def test_without_the_key_of_the_authority_nothing_is_signed(folder, make):
    (folder / "ca.key").unlink()
    assert make(folder) == []
    (folder / "training.pem").unlink()
    with pytest.raises(subprocess.CalledProcessError) as raised:
        make(folder)
    assert "ca.key" in raised.value.stderr
    assert not (folder / "ca.key").exists()


def test_services_can_have_more_names(folder, make):
    (folder / "catalog.pem").unlink()
    assert make(folder, NAMES="DNS:mill.test,IP:192.0.2.7") == ["catalog"]
    assert {"mill.test", str(ipaddress.ip_address("192.0.2.7")), "catalog"} <= names(certificate(folder, "catalog"))


@pytest.mark.parametrize(
    "script", ["make_secrets.sh", "make_certificates.sh", "make_tokens.sh", "kubernetes/secrets.sh"]
)
def test_whoever_names_no_folder_is_told_how(deploy, script):
    done = subprocess.run([deploy.path / script], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"Usage: deploy/{script} FOLDER" in done.stderr.splitlines()[-1]
    assert not done.stderr.startswith("#")


def test_the_certificate_of_the_guide_is_like_ours(deploy, made):
    guide = (deploy.path / "kubernetes/README.md").read_text()
    (block,) = re.findall("```yaml\n(.*?)```", guide, re.DOTALL)
    spec = yaml.safe_load(block)["spec"]
    assert {*spec["dnsNames"], *spec["ipAddresses"]} == names(certificate(made, "catalog"))
    assert {"server auth", "client auth"} < set(spec["usages"])
    assert spec["secretName"] == "synthmill-tls-catalog"
