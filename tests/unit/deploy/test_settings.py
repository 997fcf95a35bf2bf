"""What manifests tell services is what services understand, and what they name of one another is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from sqlalchemy import make_url
from unit.deploy.containers import CONFIGS, PLACES, SECURE, WITH_DATABASE, Container, containers

from synthmill.cli.main import app
from synthmill.client.addresses import SERVICES
from synthmill.runtime.addresses import address_variable, default_address
from synthmill.runtime.config import PREFIX, ServiceConfig, load_config
from synthmill.runtime.security.opening import listening_credentials

METRICS_PORT = 9100
# Of botocore and libpq, by their own manuals.
VARIABLES_OF_LIBRARIES = {"AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION", "PGHOST", "OTEL_EXPORTER_OTLP_ENDPOINT"}
VARIABLES_OF_IMAGES = {
    *("PATH", "HOME", "SERVICE", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "NVIDIA_DRIVER_CAPABILITIES")
}
# What may pass between the end of the drain and the end of the processes.
END_WITHIN_S = 5


@pytest.fixture(scope="module", params=PLACES)
def place(request) -> str:
    return request.param


@pytest.fixture(scope="module", params=SERVICES)
def container(request, deploy, place) -> Container:
    return containers(deploy, place)[request.param]


@pytest.fixture
def settings(container) -> ServiceConfig:
    """What the service makes of its variables; one that it does not take raises."""
    return load_config(CONFIGS[container.service], [], container.environment)


def test_every_variable_is_known(container, settings):
    fields = {PREFIX + name.upper() for name in vars(settings)}
    # Those of services that this one does not ask are for clients, and one list is for all.
    addresses = {address_variable(service) for service in SERVICES}
    assert container.environment.keys() <= fields | addresses | VARIABLES_OF_LIBRARIES | VARIABLES_OF_IMAGES


def test_a_service_listens_where_the_others_and_the_image_expect_it(container, settings):
    assert settings.host == "0.0.0.0"
    assert settings.metrics_port == METRICS_PORT
    assert f"127.0.0.1:{settings.listen_port}" == default_address(container.service)


def test_whoever_is_asked_is_told(container, settings):
    asked = {f"{service}_address" for service in SERVICES} & vars(settings).keys()
    if container.service == "catalog":
        asked -= {"catalog_address"}
    for name in asked:
        assert name.upper() in " ".join(container.environment)
        service = name.removesuffix("_address")
        address = getattr(settings, name).removeprefix("dns:///")
        assert address == default_address(service, service)


def test_strangers_are_kept_away_by_what_is_asked_of_them_or_by_the_network(container, settings, place):
    secured = place in SECURE
    assert settings.insecure != secured
    for name in ("tls_certificate", "tls_client_ca", "ca", "client_certificate", "tokens", "quotas", "audit"):
        assert bool(getattr(settings, name)) == secured
    # Whoever asks nobody shows nobody a token.
    assert bool(settings.token_file) == (secured and container.service != "catalog")
    if secured:
        assert Path(settings.audit).is_relative_to("/var/lib/synthmill")
    else:
        assert listening_credentials(settings) is None


def test_clients_find_replicas_that_come_later(container, settings, place):
    if not place.startswith("compose-"):
        assert 0 < settings.max_connection_age_s <= 600


def test_bytes_and_scratch_files_are_where_they_last(container, settings):
    assert settings.store.startswith("s3://")
    assert settings.folder.is_relative_to("/var/lib/synthmill")
    assert container.environment["AWS_ENDPOINT_URL"].startswith("http")


def test_copies_leave_room_in_the_volume_for_scratch_files(container, settings, place, deploy):
    if place.startswith("compose-"):
        return
    spec = container.wanted["spec"]["template"]["spec"]
    (volume,) = [volume for volume in spec["volumes"] if volume["name"] == "local"]
    if "emptyDir" in volume:
        size = volume["emptyDir"]["sizeLimit"]
    else:
        built = deploy.kustomizations[f"kubernetes/overlays/{place}"]
        (claim,) = [
            one
            for one in built
            if (one["kind"], one["metadata"]["name"])
            == ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"])
        ]
        size = claim["spec"]["resources"]["requests"]["storage"]
    assert settings.cache_mb <= int(size.removesuffix("Gi")) * 1024 / 2


def test_a_service_has_a_database_of_its_own(container, settings):
    if container.service in WITH_DATABASE:
        url = make_url(settings.database)
        assert (url.drivername, url.username, url.database) == ("postgresql+psycopg", *[container.service] * 2)
        assert url.password is None
        assert settings.migrate == "never"
    else:
        assert settings.database == ""


def test_nobody_ends_a_service_before_it_has_drained(container, settings, place):
    within_s = settings.drain_grace_s + END_WITHIN_S
    if place.startswith("compose-"):
        assert int(container.wanted["stop_grace_period"].removesuffix("s")) > within_s
    else:
        pod = container.wanted["spec"]["template"]["spec"]
        waits_s = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert pod["terminationGracePeriodSeconds"] > waits_s + within_s


def test_what_can_use_a_gpu_gets_one(container, settings, place):
    on_gpu = place.endswith("gpu") and container.service not in ("catalog", "pipeline")
    assert container.image.endswith("-cuda") == on_gpu
    if hasattr(settings, "accelerator"):
        assert (settings.accelerator == "cuda") == on_gpu
    if place.startswith("compose-"):
        assert ("deploy" in container.wanted) == on_gpu
    else:
        limits = container.wanted["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
        assert ("nvidia.com/gpu" in limits) == on_gpu


def test_processors_are_those_of_the_pod_and_not_of_the_node(container, settings, place):
    if not place.startswith("compose-"):
        assert all(getattr(settings, name, 1) > 0 for name in ("workers", "threads"))


def test_commands_of_containers_are_the_command_lines(deploy):
    groups = {group.name: group.typer_instance for group in app.registered_groups}
    assert "migrate" in {
        command.name or command.callback.__name__ for command in groups["database"].registered_commands
    }
    migrated = [wanted["command"] for name, wanted in deploy.compose["services"].items() if name.startswith("migrate-")]
    assert sorted(migrated) == [["synthmill", "database", "migrate", service] for service in WITH_DATABASE]


def test_images_are_of_this_version(deploy):
    version = tomllib.loads((deploy.path.parent / "pyproject.toml").read_text())["project"]["version"]
    assert deploy.variables["VERSION"] == version
    guide = (deploy.path / "kubernetes/README.md").read_text()
    assert set(re.findall(r"docker-image synthmill/\$part:(\S+);", guide)) == {version}


def test_prometheus_reads_every_service(deploy):
    (job,) = deploy.load("prometheus/prometheus.yaml")["scrape_configs"]
    (targets,) = job["static_configs"]
    assert sorted(targets["targets"]) == sorted(f"{service}:{METRICS_PORT}" for service in SERVICES)
    assert deploy.load("prometheus/prometheus.yaml")["rule_files"] == ["alerts.yaml"]


@pytest.mark.parametrize("profile", ["cpu", "gpu"])
def test_compose_publishes_the_default_ports(deploy, profile):
    published = {}
    for service, container in containers(deploy, f"compose-{profile}").items():
        (port,) = container.wanted["ports"]
        published[service] = port.replace("${BIND}", "127.0.0.1")
    assert published == {service: f"{default_address(service)}:{50051 + i}" for i, service in enumerate(SERVICES)}


@pytest.mark.parametrize("service", SERVICES)
def test_a_gpu_service_answers_to_the_name_of_the_other(deploy, service):
    wanted = containers(deploy, "compose-gpu")[service].wanted
    networks = wanted["networks"]
    assert "services" in networks
    if "profiles" in wanted:
        assert networks["services"]["aliases"] == [service]


def test_dashboard_and_data_source_are_provisioned(deploy):
    (provider,) = deploy.load("grafana/provisioning/dashboards/synthmill.yaml")["providers"]
    mounted = {volume["target"] for volume in deploy.compose["services"]["grafana"]["volumes"] if "target" in volume}
    dashboards = {path.name for path in (deploy.path / "grafana").glob("*.json")}
    assert {f"{provider['options']['path']}/{name}" for name in dashboards} <= mounted
    (source,) = deploy.load("grafana/provisioning/datasources/prometheus.yaml")["datasources"]
    assert re.fullmatch(r"http://prometheus:9090", source["url"])
