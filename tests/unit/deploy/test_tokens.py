"""Tokens that are made, and how Compose and Kubernetes take them and the certificates."""

from __future__ import annotations

import base64
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from deploy_checks.kustomize import build, containers_of
from deploy_checks.mounts import mounted
from unit.deploy.containers import CONFIGS

from synthmill.client.addresses import SERVICES
from synthmill.runtime.credentials import Credentials
from synthmill.runtime.security.quotas import Quotas
from synthmill.runtime.security.roles import with_included
from synthmill.runtime.security.tokens import StaticTokens

# By whose token it is: its tenant and roles.
TOKENS = {
    "augmentation": ("services", ["trainer"]),
    "training": ("services", ["trainer"]),
    "sampling": ("services", ["reader"]),
    "evaluation": ("services", ["reviewer"]),
    "pipeline": ("services", ["trainer", "reviewer"]),
    "admin": ("operators", ["admin"]),
    "bulk": ("bulk", ["sampler"]),
}
IDENTITY = "/etc/synthmill/identity"


@pytest.fixture(scope="module")
def secrets(deploy, made) -> dict[str, dict]:
    """The Secrets that Kubernetes gets of all that was made, by name."""
    command = [deploy.path / "kubernetes/secrets.sh", made]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {secret["metadata"]["name"]: secret for secret in yaml.safe_load_all(printed) if secret}


def test_each_token_is_let_in_for_what_it_is_for(made):
    tokens, quotas = StaticTokens(str(made / "access/tokens.yaml")), Quotas(str(made / "access/quotas.yaml"))
    assert {path.name for path in made.glob("token-*")} == {f"token-{name}" for name in TOKENS}
    for name, (tenant, roles) in TOKENS.items():
        found = tokens.find((made / f"token-{name}").read_text().strip())
        assert (found.subject, found.tenant, found.roles) == (name, tenant, with_included(roles))
        # A tenant that is not served would be refused.
        quotas.admit(found)


def test_every_service_that_asks_others_has_a_token(made):
    asking = {service for service, config in CONFIGS.items() if service != "catalog" and config().catalog_address}
    assert asking == {name for name, (tenant, _) in TOKENS.items() if tenant == "services"}


def test_what_is_there_stays(deploy, made, tmp_path):
    folder = Path(shutil.copytree(made, tmp_path / "secrets"))
    (folder / "access/quotas.yaml").write_text("services: {}\n")
    (folder / "token-bulk").unlink()
    before = {path: path.read_text() for path in folder.rglob("*") if path.is_file()}
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run([deploy.path / "make_tokens.sh", folder], env=environment, check=True)
    after = {path: path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert {path.name for path in after if after[path] != before.get(path)} == {"token-bulk", "tokens.yaml"}
    assert after[folder / "access/tokens.yaml"].startswith(before[folder / "access/tokens.yaml"])


def test_a_token_that_could_not_be_made_is_made_the_next_time(deploy, tmp_path):
    environment = {**os.environ, "SYNTHMILL": "false"}
    done = subprocess.run([deploy.path / "make_tokens.sh", tmp_path], env=environment, check=False)
    assert done.returncode == 1
    assert not [path for path in tmp_path.glob("token-*") if path.stat().st_size]


def test_containers_may_read_the_lists_and_strangers_may_not(made):
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert stat.S_IMODE((made / "access").stat().st_mode) == 0o755
    for path in [*(made / "access").iterdir(), *made.glob("token-*")]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_compose_takes_what_is_made(deploy, made):
    composed = deploy.compositions["compose/secure.yaml"]
    for secret in composed["secrets"].values():
        assert (made / secret["file"].removeprefix("./secrets/")).is_file()
    folders = {
        volume["source"]
        for wanted in composed["services"].values()
        for volume in wanted.get("volumes", [])
        if isinstance(volume, dict) and volume["source"].startswith("./secrets/")
    }
    assert folders == {"./secrets/access"}


def test_kubernetes_gets_what_is_made(made, secrets):
    def text(name: str, key: str) -> str:
        return base64.b64decode(secrets[f"synthmill-{name}"]["data"][key]).decode()

    for name in (*SERVICES, "client"):
        assert secrets[f"synthmill-tls-{name}"]["type"] == "kubernetes.io/tls"
        for key, file in (("tls.crt", f"{name}.pem"), ("tls.key", f"{name}.key"), ("ca.crt", "ca.pem")):
            assert text(f"tls-{name}", key) == (made / file).read_text()
    for name in TOKENS:
        assert text(f"token-{name}", "token") == (made / f"token-{name}").read_text()
    for name in ("tokens.yaml", "quotas.yaml"):
        assert text("access", name) == (made / "access" / name).read_text()
    assert "ca.key" not in str([list(secret["data"]) for secret in secrets.values()])


def overlays(folder: Path) -> dict[str, list[dict]]:
    """Returns what each overlay builds with the component laid over it."""
    built = {}
    for overlay in ("cpu", "gpu", "small"):
        other = folder / f"kubernetes/overlays/{overlay}-secure"
        other.mkdir()
        text = (folder / "kubernetes/overlays/secure/kustomization.yaml").read_text()
        (other / "kustomization.yaml").write_text(text.replace("../cpu", f"../{overlay}"))
        built[overlay] = build(other)
    return built


def test_a_pod_sees_the_identity_of_its_service_whichever_the_overlay(copied, secrets):
    keys = {name: secret["data"] for name, secret in secrets.items()}
    for resources in overlays(copied).values():
        for resource in resources:
            service = resource["metadata"]["name"]
            if resource["kind"] != "Deployment" or service not in SERVICES:
                continue
            (container,) = containers_of(resource)
            files = mounted(resource, container, keys)
            token = {} if service == "catalog" else {f"{IDENTITY}/token": f"synthmill-token-{service}"}
            tls = {f"{IDENTITY}/{key}": f"synthmill-tls-{service}" for key in ("ca.crt", "tls.crt", "tls.key")}
            assert {path: secret for path, secret in files.items() if path.startswith(IDENTITY)} == {**tls, **token}


@pytest.mark.parametrize(("name", "token"), [("client", "admin"), ("bulk", "bulk")])
def test_clients_find_what_the_settings_name(deploy, secrets, name, token):
    (settings,) = (
        resource["data"]
        for resource in deploy.kustomizations["kubernetes/overlays/secure"]
        if resource["metadata"]["name"] == "synthmill-settings"
    )
    wanted = Credentials.from_environment(settings)
    client = next(one for one in deploy.kustomizations[f"kubernetes/{name}"] if containers_of(one))
    (container,) = containers_of(client)
    files = mounted(client, container, {key: secret["data"] for key, secret in secrets.items()})
    assert {*wanted.tls_files, wanted.token_file} <= files.keys()
    assert files[wanted.token_file] == f"synthmill-token-{token}"
    # Where nobody asks for it, nobody has made it.
    (volume,) = [one for one in client["spec"]["template"]["spec"]["volumes"] if one["name"] == "identity"]
    assert all(source["secret"]["optional"] for source in volume["projected"]["sources"])
