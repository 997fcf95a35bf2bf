"""Every method of every service, called by every role and with every sort of bad token: the code of each.

What is expected comes from docs/access.md, which people read and agree to; that it is what the protos say is a test of
its own. Requests are empty: whoever is let in gets what an admin gets, which mostly is INVALID_ARGUMENT.
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import jwt
import pytest
from google.protobuf import descriptor_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from support.authority import AUDIENCE, ISSUER, Issuer
from support.cluster import Cluster
from support.studio import running_services

SERVICES = ("catalog", "augmentation", "training", "sampling", "evaluation", "pipeline")
PAGE = Path(__file__).resolve().parents[2] / "docs/access.md"
OIP = "synthmill.oip.v1.GRPCInferenceService"
# Of what is not refused, the answer depends on what a service has, and a stream that waits for jobs has no end.
DEADLINE_S = 5.0
REFUSALS = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)


def table() -> dict[str, dict[str, bool]]:
    """Returns who may call what, as the page says: by "service/method", by role."""
    found: dict[str, dict[str, bool]] = {}
    service, roles = "", []
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("## "):
            service = line.removeprefix("## ")
        elif line.startswith("| Method"):
            roles = cells[1:-1]
        elif line.startswith("| `"):
            found[f"{service}/{cells[0].strip('`')}"] = {
                role: cell == "yes" for role, cell in zip(roles, cells[1:], strict=False)
            }
    return found


@pytest.fixture(scope="module")
def issuer(tmp_path_factory) -> Issuer:
    return Issuer(tmp_path_factory.mktemp("issuer"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, issuer) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("access")
    quotas, token = folder / "quotas.yaml", folder / "token"
    quotas.write_text("vision: {}\n")
    token.write_text(issuer.token("admin"))
    flags = [*issuer.flags(), "--quotas", str(quotas), "--token-file", str(token)]
    with running_services(folder, *SERVICES, flags=dict.fromkeys(SERVICES, flags)) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def bad_tokens(issuer, tmp_path_factory) -> dict[str, tuple[str, grpc.StatusCode]]:
    """Metadata of an admin with something wrong, and what becomes of it."""
    claims = {"sub": "mallory", "tenant": "vision", "roles": ["admin"], "iss": ISSUER, "aud": AUDIENCE}
    unsigned = jwt.encode({**claims, "exp": time.time() + 600}, None, "none", {"kid": "first"})
    stranger = Issuer(tmp_path_factory.mktemp("stranger")).token("admin")
    refused, denied = REFUSALS
    return {
        "no token": ("", refused),
        "no bearer": (issuer.token("admin"), refused),
        "expired": (f"Bearer {issuer.token('admin', age_s=3700)}", refused),
        "wrong audience": (f"Bearer {issuer.token('admin', aud='another')}", refused),
        "wrong issuer": (f"Bearer {issuer.token('admin', iss='https://elsewhere.test')}", refused),
        "wrong algorithm": (f"Bearer {unsigned}", refused),
        "wrong key": (f"Bearer {stranger}", refused),
        "no role": (f"Bearer {issuer.token()}", denied),
        "other tenant": (f"Bearer {issuer.token('admin', tenant='speech')}", denied),
    }


def described(channel: grpc.Channel, token: str) -> Iterator[tuple[str, descriptor_pb2.MethodDescriptorProto]]:
    """Yields the methods that a service has by its own account, by "service/method"."""
    reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
    ask = reflection_pb2.ServerReflectionRequest
    metadata = [("authorization", f"Bearer {token}")]
    (listed,) = reflection.ServerReflectionInfo(iter([ask(list_services="")]), metadata=metadata)
    names = [service.name for service in listed.list_services_response.service]
    for name in names:
        (answer,) = reflection.ServerReflectionInfo(iter([ask(file_containing_symbol=name)]), metadata=metadata)
        for content in answer.file_descriptor_response.file_descriptor_proto:
            file = descriptor_pb2.FileDescriptorProto.FromString(content)
            for service in file.service:
                if f"{file.package}.{service.name}" == name and name.startswith("synthmill."):
                    yield from ((f"{name}/{method.name}", method) for method in service.method)


def code_of(channel: grpc.Channel, path: str, method: descriptor_pb2.MethodDescriptorProto, bearer: str) -> str:
    """Calls a method with an empty request and returns the name of its code."""
    kind = "_".join("stream" if streams else "unary" for streams in (method.client_streaming, method.server_streaming))
    call = getattr(channel, kind)(path)
    request = iter([b""]) if method.client_streaming else b""
    metadata = [("authorization", bearer)] if bearer else []
    try:
        answers = call(request, metadata=metadata, timeout=DEADLINE_S)
        if method.server_streaming:
            list(itertools.islice(answers, 1))
            answers.cancel()
    except grpc.RpcError as error:
        return error.code().name
    return "OK"


def methods_of(cluster: Cluster, service: str, token: str, channel: grpc.Channel):
    """Yields row of the table, path on the wire and description of each method of a service."""
    for name, method in described(channel, token):
        yield name, f"/{name}", method
    if service == "sampling":
        # Under the protocol's own name, reflection cannot describe it.
        from synthmill.oip.v1 import inference_service_pb2

        file = descriptor_pb2.FileDescriptorProto()
        inference_service_pb2.DESCRIPTOR.CopyToProto(file)
        for method in file.service[0].method:
            yield f"{OIP}/{method.name}", f"/inference.GRPCInferenceService/{method.name}", method


@pytest.mark.parametrize("service", SERVICES)
def test_matrix(cluster, issuer, bad_tokens, service):
    expected = table()
    tokens = {role: issuer.token(role) for role in next(iter(expected.values()))}
    wrong, cells = [], 0
    with grpc.insecure_channel(cluster.address(service)) as channel:
        for name, path, method in methods_of(cluster, service, tokens["reader"], channel):
            for fault, (bearer, code) in bad_tokens.items():
                cells += 1
                found = code_of(channel, path, method, bearer)
                if found != code.name:
                    wrong.append((name, fault, found))
            let_in = code_of(channel, path, method, f"Bearer {tokens['admin']}")
            if let_in in {code.name for code in REFUSALS} | {"INTERNAL", "UNKNOWN"}:
                wrong.append((name, "admin", let_in))
            for role, may in expected[name].items():
                cells += 1
                found = code_of(channel, path, method, f"Bearer {tokens[role]}")
                if found != (let_in if may else "PERMISSION_DENIED"):
                    wrong.append((name, role, found))
    assert not wrong
    assert cells > 100


def test_no_method_is_missing(cluster, issuer):
    answered = set()
    for service in SERVICES:
        with grpc.insecure_channel(cluster.address(service)) as channel:
            answered |= {name for name, _, _ in methods_of(cluster, service, issuer.token("reader"), channel)}
    assert answered == set(table())


def test_every_method_lets_somebody_in():
    """One whose proto says nothing would be refused to everybody, and an admin may do everything."""
    assert all(row["admin"] for row in table().values())


def test_health_needs_no_token_and_reflection_does(cluster):
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with grpc.insecure_channel(cluster.address("catalog")) as channel:
        assert health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest()).status == 1
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        with pytest.raises(grpc.RpcError, match="UNAUTHENTICATED"):
            list(asked)


def test_unknown_method_is_unimplemented_without_a_word_more(cluster):
    with grpc.insecure_channel(cluster.address("catalog")) as channel:
        with pytest.raises(grpc.RpcError) as refused:
            channel.unary_unary("/synthmill.v1.CatalogService/Nothing")(b"")
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_page_is_what_the_protos_say():
    import importlib.util

    script = PAGE.parents[1] / "scripts/write_access.py"
    spec = importlib.util.spec_from_file_location("write_access", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert PAGE.read_text() == module.page()
    assert re.search(r"`DeleteModel` \|  \|  \|  \|  \| yes \| yes", PAGE.read_text())
