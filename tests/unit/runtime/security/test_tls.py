"""TLS and mutual TLS through the port of a service, with certificates that are replaced while it runs."""

from __future__ import annotations

import time

import pytest

from support.authority import Authority
from support.callers import calling, holding
from synthmill.runtime.credentials import Credentials
from synthmill.runtime.errors import InvalidField, Unavailable
from synthmill.v1 import catalog_service_pb2 as pb

ASK = pb.GetDatasetRequest(name="any")
LOOKED_AGAIN_S = 1.2


def tls_flags(authority: Authority, name: str = "service") -> list[str]:
    certificate, key = authority.issue(name)
    return ["--tls-certificate", certificate, "--tls-key", key]


def test_caller_that_trusts_the_authority_is_answered(start, authority):
    toy = start(*tls_flags(authority))
    with calling(toy.address, Credentials(ca=authority.ca)) as stub:
        assert stub.GetDataset(ASK).name == "hello"


def test_other_authority_and_plain_text_are_refused(start, authority, tmp_path):
    toy = start(*tls_flags(authority))
    for credentials in (Credentials(ca=Authority(tmp_path / "other").ca), Credentials()):
        with calling(toy.address, credentials) as stub, pytest.raises(Unavailable):
            stub.GetDataset(ASK, timeout=5)


def test_mutual_tls_asks_callers_for_a_certificate(start, authority, tmp_path):
    toy = start(*tls_flags(authority), "--tls-client-ca", authority.ca)
    certificate, key = authority.issue("caller")
    with calling(toy.address, Credentials(authority.ca, certificate, key)) as stub:
        assert stub.GetDataset(ASK).name == "hello"
    stranger, stranger_key = Authority(tmp_path / "other").issue("stranger")
    for credentials in (Credentials(authority.ca), Credentials(authority.ca, stranger, stranger_key)):
        with calling(toy.address, credentials) as stub, pytest.raises(Unavailable):
            stub.GetDataset(ASK, timeout=5)


def test_replaced_certificate_holds_from_the_next_connection_on(start, authority, tmp_path):
    toy = start(*tls_flags(authority))
    with calling(toy.address, Credentials(ca=authority.ca)) as stub:
        stub.GetDataset(ASK)
        successor = Authority(tmp_path / "authority", "successor")
        successor.issue("service")
        time.sleep(LOOKED_AGAIN_S)
        with calling(toy.address, Credentials(ca=successor.ca)) as other:
            assert other.GetDataset(ASK).name == "hello"
        # A connection that was there before goes on.
        assert stub.GetDataset(ASK).name == "hello"


def test_half_written_certificate_leaves_the_old_one_in_use(start, authority, tmp_path):
    toy = start(*tls_flags(authority))
    (tmp_path / "authority" / "service.pem").write_text("not yet")
    time.sleep(LOOKED_AGAIN_S)
    with calling(toy.address, Credentials(ca=authority.ca)) as stub:
        assert stub.GetDataset(ASK).name == "hello"
    assert any("stays in use" in line["message"] for line in toy.lines())


def test_channel_shows_a_replaced_certificate(start, authority, tmp_path):
    """The service trusts a new authority alone; the caller's channel stays the same object."""
    toy = start(*tls_flags(authority), "--tls-client-ca", authority.ca)
    certificate, key = authority.issue("caller")
    with calling(toy.address, Credentials(authority.ca, certificate, key)) as stub:
        stub.GetDataset(ASK)
        successor = Authority(tmp_path / "authority", "successor")
        successor.issue("service")
        successor.issue("caller")
        time.sleep(LOOKED_AGAIN_S)
        assert stub.GetDataset(ASK).name == "hello"
    with calling(toy.address, Credentials(successor.ca, certificate, key)) as stub:
        assert stub.GetDataset(ASK).name == "hello"


def test_settings_that_cannot_work_end_the_service(start, authority, tmp_path):
    certificate, _key = authority.issue("service")
    _other, other_key = Authority(tmp_path / "other").issue("service")
    for flags, told in (
        (["--tls-certificate", certificate], "tls_key"),
        (["--tls-certificate", certificate, "--tls-key", other_key], "tls_certificate"),
        (["--tls-client-ca", authority.ca], "tls_certificate"),
        (["--host", "0.0.0.0"], "host"),
        (["--quotas", "quotas.yaml"], "quotas"),
        (["--jwt-keys", "nowhere.json", "--jwt-issuer", "i", "--jwt-audience", "a"], "jwt_keys"),
        (["--jwt-keys", "nowhere.json"], "jwt_issuer"),
    ):
        toy = start(*flags)
        assert toy.ready == {}
        assert toy.process.wait(20) == 2
        assert told in toy.log.read_text().splitlines()[-1], flags


def test_plain_text_off_this_machine_needs_a_word(start):
    toy = start("--host", "0.0.0.0", "--insecure", "true")
    with calling(f"127.0.0.1:{toy.address.rpartition(':')[2]}", Credentials()) as stub:
        assert stub.GetDataset(ASK).name == "hello"


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ({"client_certificate": "c.pem"}, "client_key"),
        ({"client_key": "k.pem"}, "client_certificate"),
        ({"client_certificate": "c.pem", "client_key": "k.pem"}, "ca"),
    ],
)
def test_credentials_name_the_part_that_is_missing(parts, field):
    with pytest.raises(InvalidField) as refused:
        Credentials(**parts)
    assert refused.value.metadata["field"] == field


def test_certificate_with_another_key_is_refused_at_once(authority, tmp_path):
    certificate, _key = authority.issue("caller")
    _other, key = Authority(tmp_path / "other").issue("caller")
    with (
        pytest.raises(InvalidField, match="client_certificate"),
        calling("127.0.0.1:1", Credentials(authority.ca, certificate, key)),
    ):
        pass


def test_token_does_not_leave_the_machine_as_plain_text(tmp_path):
    credentials = holding(tmp_path, "secret")
    with pytest.raises(InvalidField, match="plain text"), calling("catalog.example:50051", credentials):
        pass
