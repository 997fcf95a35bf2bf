"""Every service has in Kubernetes what it needs: a name, probes, a budget, policies, a Job for its database."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from unit.deploy.containers import CONFIGS, WITH_DATABASE, variables_of

from synthmill.client.addresses import SERVICES
from synthmill.runtime.addresses import DEFAULT_BASE_PORT, PORT_OFFSETS

METRICS_PORT = 9100
# What healthcheck.py waits for an answer.
HEALTHCHECK_TIMEOUT_S = 3
COMPONENT = "app.kubernetes.io/component"
# Those that have as many replicas as there is work.
MANY = ("augmentation", "sampling")


@pytest.fixture(scope="module", params=["cpu", "gpu", "secure", "small"])
def overlay(request) -> str:
    return request.param


@pytest.fixture
def objects(deploy, overlay) -> dict[tuple[str, str], dict[str, Any]]:
    """What an overlay builds, by kind and name."""
    built = deploy.kustomizations[f"kubernetes/overlays/{overlay}"]
    return {(resource["kind"], resource["metadata"]["name"]): resource for resource in built}


def port_of(service: str) -> int:
    return DEFAULT_BASE_PORT + PORT_OFFSETS[service]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_a_name_and_its_ports(objects, service, overlay):
    spec = objects["Service", service]["spec"]
    assert [port["port"] for port in spec["ports"]] == [port_of(service)]
    assert spec["ports"][0]["appProtocol"] == ("https" if overlay == "secure" else "kubernetes.io/h2c")
    # Of several replicas a client is to see all; of one, an address that stays when the pod goes.
    assert (spec.get("clusterIP") == "None") == (service in MANY)
    pod = objects["Deployment", service]["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    assert {port["name"]: port["containerPort"] for port in container["ports"]} == {
        "grpc": port_of(service),
        "metrics": METRICS_PORT,
    }
    assert pod["metadata"]["annotations"]["prometheus.io/port"] == str(METRICS_PORT)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_asked_for_its_health(objects, service, overlay):
    (container,) = objects["Deployment", service]["spec"]["template"]["spec"]["containers"]
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        probe = container[name]
        if overlay == "secure":
            # The kubelet itself speaks no TLS.
            assert probe["exec"] == {"command": ["python", "/opt/synthmill/libexec/healthcheck.py"]}
            assert probe["timeoutSeconds"] > HEALTHCHECK_TIMEOUT_S
            assert "grpc" not in probe
        else:
            assert probe["grpc"] == {"port": port_of(service)}
    # A pod that is only slow is taken out before it is started again.
    live, ready = container["livenessProbe"], container["readinessProbe"]
    assert live["periodSeconds"] * live["failureThreshold"] > ready["periodSeconds"] * ready["failureThreshold"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_drained_node_takes_one_pod_at_a_time(objects, service):
    spec = objects["PodDisruptionBudget", service]["spec"]
    assert spec == {"maxUnavailable": 1, "selector": {"matchLabels": {COMPONENT: service}}}


@pytest.mark.parametrize("service", SERVICES)
def test_who_asks_may_and_nobody_else(objects, service):
    """The settings say who asks whom: whoever has the address."""
    fields = {other: {field.name for field in dataclasses.fields(config)} for other, config in CONFIGS.items()}
    expected = {other for other in SERVICES if other != service and f"{service}_address" in fields[other]}
    spec = objects["NetworkPolicy", service]["spec"]
    (rule,) = spec["ingress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": port_of(service)}]
    labels = [source["podSelector"]["matchLabels"] for source in rule["from"]]
    assert {label.get(COMPONENT) for label in labels} - {None} == expected
    assert {"synthmill-client": "true"} in labels
    for caller in expected:
        allowed = objects["NetworkPolicy", caller]["spec"]["egress"]
        assert any(
            rule["to"][0]["podSelector"]["matchLabels"] == {COMPONENT: service}
            and rule["ports"] == [{"protocol": "TCP", "port": port_of(service)}]
            for rule in allowed
        )


def test_nothing_else_is_open(objects):
    denied = objects["NetworkPolicy", "default-deny"]["spec"]
    assert denied == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for name in ("metrics", "traces", "data", "clients"):
        text = str(objects["NetworkPolicy", name]["spec"])
        assert all(f"'{service}'" in text for service in SERVICES)


@pytest.mark.parametrize("service", WITH_DATABASE)
def test_a_job_brings_each_database_up_to_date(objects, service):
    (container,) = objects["Job", f"migrate-{service}"]["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["synthmill", "database", "migrate", service]
    (serving,) = objects["Deployment", service]["spec"]["template"]["spec"]["containers"]
    maps = {name: found["data"] for (kind, name), found in objects.items() if kind == "ConfigMap"}
    name = "SYNTHMILL_DATABASE"
    assert variables_of(container, maps)[name] == variables_of(serving, maps)[name]
    assert container["image"].removesuffix("-cuda") == serving["image"].removesuffix("-cuda")


@pytest.mark.parametrize("service", SERVICES)
def test_scratch_files_outlive_a_pod_where_there_is_one(objects, service):
    deployment = objects["Deployment", service]["spec"]
    volumes = {volume["name"]: volume for volume in deployment["template"]["spec"]["volumes"]}
    if service in MANY:
        assert "emptyDir" in volumes["local"]
        assert "replicas" not in deployment
        keys = {spread["topologyKey"] for spread in deployment["template"]["spec"]["topologySpreadConstraints"]}
        assert keys == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
    else:
        assert volumes["local"]["persistentVolumeClaim"] == {"claimName": service}
        assert (deployment["replicas"], deployment["strategy"]["type"]) == (1, "Recreate")


def test_autoscalers_are_for_those_with_many_replicas(objects, overlay):
    scaled = {name for kind, name in objects if kind == "HorizontalPodAutoscaler"}
    assert scaled == (set() if overlay == "small" else set(MANY))


def test_pods_may_do_no_more_than_the_namespace_demands(objects):
    assert objects["Namespace", "synthmill"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert objects["ServiceAccount", "synthmill"]["automountServiceAccountToken"] is False
