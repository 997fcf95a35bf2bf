"""Secrets that are made, and how Compose and Kubernetes take them."""

from __future__ import annotations

import base64
import re
import stat
import subprocess

import pytest
import yaml
from deploy_checks.objects import secrets_of
from unit.deploy.containers import CONFIGS, WITH_DATABASE


@pytest.fixture
def made(deploy, tmp_path):
    folder = tmp_path / "secrets"
    subprocess.run([deploy.path / "make_secrets.sh", folder], check=True)
    return folder


def test_secrets_are_random_and_stay(deploy, made):
    texts = {path.name: path.read_text() for path in made.iterdir()}
    assert len(set(texts.values())) == len(texts)
    assert all(re.fullmatch("[0-9a-f]{48}", text) for text in texts.values())
    subprocess.run([deploy.path / "make_secrets.sh", made], check=True)
    assert {path.name: path.read_text() for path in made.iterdir()} == texts


def test_nobody_else_gets_at_them(made):
    assert stat.S_IMODE(made.stat().st_mode) == 0o700


def test_compose_takes_what_is_made(deploy, made):
    wanted = {secret["file"] for secret in deploy.compose["secrets"].values()}
    assert wanted == {f"./secrets/{path.name}" for path in made.iterdir()}


def test_kubernetes_gets_what_is_made(deploy, made):
    printed = subprocess.run(
        [deploy.path / "kubernetes/secrets.sh", made], capture_output=True, text=True, check=True
    ).stdout
    secrets = {secret["metadata"]["name"]: secret["data"] for secret in yaml.safe_load_all(printed) if secret}
    for service in WITH_DATABASE:
        password = base64.b64decode(secrets[f"synthmill-{service}"]["PGPASSWORD"]).decode()
        assert password == (made / f"{service}-password").read_text()
        assert f"{service}-password" in secrets["synthmill-postgres"]


def test_names_of_files_are_those_that_containers_read(deploy):
    listed = re.search(r"for name in ([A-Z_ ]+);", (deploy.path / "images/entrypoint.sh").read_text())[1].split()
    mounted = {
        secret["target"].rpartition("/")[2]
        for wanted in deploy.compose["services"].values()
        for secret in wanted.get("secrets", [])
        if isinstance(secret, dict)
    }
    # Those that the volume `secrets` has.
    read = {"synthmill-store", *(f"synthmill-{service}" for service in WITH_DATABASE)}
    keys = {key for secret in secrets_of(deploy) if secret["metadata"]["name"] in read for key in secret["data"]}
    assert mounted == keys == {"PGPASSWORD", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert mounted <= set(listed)


@pytest.mark.parametrize("file", ["compose", "secure"])
def test_a_service_sees_no_secret_of_another(deploy, file):
    for name, wanted in deploy.compositions[f"compose/{file}.yaml"]["services"].items():
        service = re.sub("^migrate-|-gpu$", "", name)
        if service in CONFIGS:
            given = {secret["source"] for secret in wanted.get("secrets", [])}
            own = {f"{service}-{sort}" for sort in ("password", "certificate", "key", "token")}
            assert given <= {*own, "ca", "store-user", "store-password"}
