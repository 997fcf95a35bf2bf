"""The checks of `deploy`: this repository passes them, and each can fail."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from deploy_checks import composition, images, metrics, mounts, objects, schemas
from deploy_checks.folder import Folder

SCRIPT = Path(__file__).parents[3] / "scripts/verify_deploy.py"
COMPOSE = "compose/compose.yaml"
SECURE = "compose/secure.yaml"
BASE = "kubernetes/base"

Check = Callable[[Folder], Iterator[str]]

# By what is wrong: the check, the file, what stands there, what it is replaced by, and what is said of it.
FAULTS: dict[str, tuple[Check, str, str, str, str]] = {
    "no-yaml": (schemas.readable, "prometheus/alerts.yaml", "groups:", "groups: [", "alerts.yaml"),
    "no-json": (schemas.readable, "grafana/sampling.json", "{", "{{", "sampling.json"),
    "key-of-compose": (schemas.compose, COMPOSE, "stop_grace_period:", "stop_grace:", "stop_grace"),
    "value-of-compose": (schemas.compose, COMPOSE, "read_only: true\n  cap", "read_only: [1]\n  cap", "read_only"),
    "unexplained-variable": (composition.variables, COMPOSE, "${BUCKET}", "${PAIL}", "PAIL is not in .env.example"),
    "unused-variable": (composition.variables, "compose/.env.example", "BIND=", "BOUND=", "nothing uses BOUND"),
    "missing-network": (composition.names, COMPOSE, "networks: [data]", "networks: [lake]", "there is no lake"),
    "missing-secret": (composition.names, COMPOSE, "source: store-user", "source: user", "there is no user"),
    "missing-profile": (
        composition.names,
        COMPOSE,
        "    catalog: { condition: service_healthy }",
        "    training: { condition: service_healthy }",
        "training is not there in the profiles gpu",
    ),
    "missing-file": (composition.files, COMPOSE, "../postgres/init.sh", "../postgres/start.sh", "start.sh"),
    "writable": (
        composition.hardened,
        COMPOSE,
        "read_only: true\n  cap",
        "read_only: false\n  cap",
        "read_only is not",
    ),
    "health-untold": (composition.healthy, COMPOSE, "healthcheck:", "x-healthcheck:", "tells nothing of it"),
    "secret-laid-over": (composition.names, SECURE, "source: sampling-key", "source: samp-key", "no samp-key among"),
    "key-laid-over": (schemas.compose, SECURE, "hostname: catalog", "name: catalog", "secure.yaml: services.catalog"),
    "unmounted-secret": (
        mounts.of_compose,
        SECURE,
        "source: training-token, target: /etc/synthmill/identity/token",
        "source: training-token, target: /etc/synthmill/identity/tokens",
        "secure.yaml: training: nothing mounts /etc/synthmill/identity/token of SYNTHMILL_TOKEN_FILE",
    ),
    "unmounted-folder": (
        mounts.of_compose,
        SECURE,
        "target: /etc/synthmill/access",
        "target: /etc/synthmill/lists",
        "catalog: nothing mounts /etc/synthmill/access/quotas.yaml of SYNTHMILL_QUOTAS",
    ),
    "key-of-kubernetes": (schemas.kubernetes, f"{BASE}/service.yaml", "lifecycle:", "lifespan:", "lifespan"),
    "value-of-kubernetes": (
        schemas.kubernetes,
        f"{BASE}/disruption.yaml",
        "maxUnavailable: 1",
        "maxUnavailable: [1]",
        "[1] is not",
    ),
    "missing-claim": (objects.references, f"{BASE}/training.yaml", "claimName: training", "claimName: t", "no claim t"),
    "missing-secret-object": (
        objects.references,
        f"{BASE}/catalog.yaml",
        "name: synthmill-catalog ",
        "name: secret ",
        "there is no secret secret",
    ),
    "missing-variable": (objects.references, f"{BASE}/catalog.yaml", "$(PGHOST)", "$(HOST)", "uses HOST"),
    "nothing-chosen": (
        objects.selectors,
        f"{BASE}/disruption.yaml",
        "matchLabels: { app.kubernetes.io/component: catalog }",
        "matchLabels: { app.kubernetes.io/component: catalogue }",
        "PodDisruptionBudget catalog chooses no pod",
    ),
    "nothing-scaled": (objects.selectors, f"{BASE}/scaling.yaml", "name: sampling }", "name: s }", "scales nothing"),
    "privileged": (objects.restricted, f"{BASE}/service.yaml", "drop: [ALL]", "drop: []", "securityContext is not"),
    "root": (objects.restricted, f"{BASE}/migration.yaml", "runAsNonRoot: true", "runAsNonRoot: false", "root's"),
    "token": (objects.restricted, f"{BASE}/service.yaml", "enableServiceLinks: false", "", "a token of the cluster"),
    "no-version": (
        objects.restricted,
        "kubernetes/bulk/kustomization.yaml",
        "name: synthmill/client",
        "name: synthmill/c",
        "names no version",
    ),
    "unmounted-token": (
        mounts.of_kubernetes,
        "kubernetes/secure/evaluation.yaml",
        "name: synthmill-token-evaluation",
        "name: synthmill-store",
        "Deployment evaluation: nothing mounts /etc/synthmill/identity/token of SYNTHMILL_TOKEN_FILE",
    ),
    "unmounted-key": (
        mounts.of_kubernetes,
        "kubernetes/secure/settings.yaml",
        "identity/tls.key",
        "identity/server.key",
        "Deployment catalog: nothing mounts /etc/synthmill/identity/server.key of SYNTHMILL_TLS_KEY",
    ),
    "missing-volume": (objects.restricted, f"{BASE}/service.yaml", "name: tmp\n", "name: temp\n", "there is no volume"),
    "no-instruction": (images.stages, "images/Dockerfile", "HEALTHCHECK", "HEALTHCHEK", "HEALTHCHEK is no"),
    "no-dockerfile": (images.stages, "images/Dockerfile", "STOPSIGNAL SIGTERM", "ENV ALONE", "images/Dockerfile: "),
    "missing-stage": (images.stages, "images/Dockerfile", "--from=build", "--from=made", "there is no stage made"),
    "missing-base": (
        images.stages,
        "images/Dockerfile",
        "FROM runtime AS client",
        "FROM run AS client",
        "no stage run",
    ),
    "tool-in-image": (images.stages, "images/Dockerfile", "RUN groupadd", "RUN pip list && groupadd", "without pip"),
    "user-by-name": (images.user, "images/Dockerfile", "USER 10001:10001", "USER synthmill", "not a number"),
    "unmade-image": (images.known, COMPOSE, "image: synthmill/catalog", "image: synthmill/index", "makes no index"),
    "unmade-variant": (
        images.known,
        "kubernetes/overlays/gpu/kustomization.yaml",
        "images:",
        "images:\n  - { name: synthmill/catalog, newTag: 0.1.0-cuda }",
        "makes no catalog for cuda",
    ),
    "other-version": (
        images.known,
        "kubernetes/overlays/cpu/kustomization.yaml",
        "synthmill/training, newTag: 0.1.0",
        "synthmill/training, newTag: 0.0.9",
        "is not of the version",
    ),
    "unknown-metric": (
        metrics.defined,
        "grafana/services.json",
        "synthmill_jobs_rate",
        "synthmill_jobs_speed",
        "grafana/services.json: no service tells synthmill_jobs_speed",
    ),
    "unknown-suffix": (
        metrics.defined,
        "prometheus/alerts.yaml",
        "synthmill_store_failures_total",
        "synthmill_store_failures",
        "no service tells synthmill_store_failures",
    ),
    "unused-metric": (
        metrics.used,
        "grafana/services.json",
        "synthmill_catalog_stored_bytes",
        "synthmill_catalog_versions",
        "nothing asks for synthmill_catalog_stored_bytes",
    ),
}


def test_this_repository_passes():
    done = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("fault", FAULTS)
def test_each_check_can_fail(copied, fault):
    check, name, there, instead, expected = FAULTS[fault]
    text = (copied / name).read_text()
    assert there in text
    (copied / name).write_text(text.replace(there, instead))
    assert expected in "\n".join(check(Folder(copied)))


def test_a_list_that_is_merged_otherwise_is_refused(copied):
    path = copied / SECURE
    path.write_text(path.read_text().replace("hostname: catalog", "ports: []"))
    done = subprocess.run([sys.executable, SCRIPT, copied], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "not ports" in done.stdout


def test_a_faulty_folder_ends_with_status_1(copied):
    (copied / "kubernetes/base/kustomization.yaml").write_text("helmCharts: []\n")
    done = subprocess.run([sys.executable, SCRIPT, copied], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "helmCharts is not known here" in done.stdout
