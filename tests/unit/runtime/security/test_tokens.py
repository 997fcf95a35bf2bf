"""Tokens, roles, quotas and turns, through the port of a service."""

from __future__ import annotations

import time

import jwt
import pytest
import yaml

from support.authority import AUDIENCE, ISSUER, Issuer
from support.callers import calling, holding
from synthmill.runtime.credentials import Credentials
from synthmill.runtime.errors import PermissionDenied, QuotaExceeded, Unauthenticated
from synthmill.runtime.security.tokens import digest_of
from synthmill.v1 import catalog_service_pb2 as pb

ASK = pb.GetDatasetRequest(name="any")
DELETE = pb.DeleteDatasetRequest(name="datasets/a/versions/1")
LOOKED_AGAIN_S = 1.2


def outcome(toy, tmp_path, token, ask=ASK, method="GetDataset"):
    """Returns how a call with a token ended: "answered", or the class of its error."""
    with calling(toy.address, holding(tmp_path, token)) as stub:
        try:
            getattr(stub, method)(ask)
        except (Unauthenticated, PermissionDenied, QuotaExceeded) as error:
            return type(error)
        return "answered"


def test_call_without_a_token_is_refused(start, issuer):
    toy = start(*issuer.flags())
    with calling(toy.address, Credentials()) as stub, pytest.raises(Unauthenticated, match="bearer"):
        stub.GetDataset(ASK)


def test_roles_decide_what_a_caller_may(start, issuer, tmp_path):
    toy = start(*issuer.flags())
    assert outcome(toy, tmp_path, issuer.token("reader")) == "answered"
    assert outcome(toy, tmp_path, issuer.token("reader"), DELETE, "DeleteDataset") is PermissionDenied
    assert outcome(toy, tmp_path, issuer.token("trainer", "reviewer"), DELETE, "DeleteDataset") is PermissionDenied
    assert outcome(toy, tmp_path, issuer.token("admin"), DELETE, "DeleteDataset") == "answered"
    assert outcome(toy, tmp_path, issuer.token()) is PermissionDenied


def test_streams_are_guarded_too(start, issuer, tmp_path):
    toy = start(*issuer.flags())
    ask = pb.ReadRecordsRequest(name="any", count=3)
    with calling(toy.address, holding(tmp_path, issuer.token())) as stub, pytest.raises(PermissionDenied):
        list(stub.ReadRecords(ask))
    with calling(toy.address, holding(tmp_path, issuer.token("reader"))) as stub:
        assert len(list(stub.ReadRecords(ask))) == 3


@pytest.mark.parametrize(
    "fault",
    [
        {"age_s": 3700},
        {"aud": "another"},
        {"iss": "https://elsewhere.test"},
        {"roles": "reader"},
        {"roles": ["emperor"]},
        {"sub": None},
    ],
    ids=str,
)
def test_token_with_a_fault_is_refused(start, issuer, tmp_path, fault):
    toy = start(*issuer.flags())
    assert outcome(toy, tmp_path, issuer.token("admin", **fault)) is Unauthenticated


def test_what_a_token_says_of_its_algorithm_is_not_believed(start, issuer, tmp_path):
    """Signed with nothing, with the public key as a shared secret, and with a key of somebody else."""
    toy = start(*issuer.flags())
    claims = {"sub": "mallory", "roles": ["admin"], "iss": ISSUER, "aud": AUDIENCE, "exp": time.time() + 60}
    nothing = jwt.encode(claims, None, "none", {"kid": "first"})
    # The library refuses to make such a token, so its parts are put together by hand.
    confused = jwt.api_jws.PyJWS()
    confused._algorithms["HS256"].prepare_key = lambda key: key
    shared = confused.encode(jwt.api_jwt.json.dumps(claims).encode(), issuer.public_pem(), "HS256", {"kid": "first"})
    stranger = Issuer(tmp_path / "stranger").token("admin")
    for token in (nothing, shared, stranger, "", "a b", "a.b.c"):
        if token.strip() and " " not in token:
            assert outcome(toy, tmp_path, token) is Unauthenticated


def test_keys_are_rotated_without_a_restart(start, issuer, tmp_path):
    toy = start(*issuer.flags())
    old = issuer.token("reader")
    assert outcome(toy, tmp_path, old) == "answered"
    issuer.add_key("second")
    time.sleep(LOOKED_AGAIN_S)
    new = issuer.token("reader", kid="second")
    assert [outcome(toy, tmp_path, token) for token in (old, new)] == ["answered", "answered"]
    issuer.publish("second")
    time.sleep(LOOKED_AGAIN_S)
    assert [outcome(toy, tmp_path, token) for token in (old, new)] == [Unauthenticated, "answered"]


def test_listed_tokens_are_let_in_until_they_expire_or_are_struck_off(start, tmp_path):
    listed = tmp_path / "tokens.yaml"
    entry = {"subject": "ci", "roles": ["reader"]}
    listed.write_text(
        yaml.safe_dump(
            [
                {**entry, "sha256": digest_of("good")},
                {**entry, "sha256": digest_of("stale"), "expires": "2020-01-01"},
            ]
        )
    )
    toy = start("--tokens", str(listed))
    found = [outcome(toy, tmp_path, token) for token in ("good", "stale", "unknown")]
    assert found == ["answered", Unauthenticated, Unauthenticated]
    listed.write_text("[]")
    time.sleep(LOOKED_AGAIN_S)
    assert outcome(toy, tmp_path, "good") is Unauthenticated


def test_callers_token_is_read_again_when_it_changes(start, issuer, tmp_path):
    toy = start(*issuer.flags())
    with calling(toy.address, holding(tmp_path, "stale")) as stub:
        with pytest.raises(Unauthenticated):
            stub.GetDataset(ASK)
        holding(tmp_path, issuer.token("reader"))
        time.sleep(LOOKED_AGAIN_S)
        assert stub.GetDataset(ASK).name == "hello"


def test_tenant_that_is_not_served_is_refused(start, issuer, tmp_path):
    quotas = tmp_path / "quotas.yaml"
    quotas.write_text("vision: {}\n")
    toy = start(*issuer.flags(), "--quotas", str(quotas))
    assert outcome(toy, tmp_path, issuer.token("admin")) == "answered"
    assert outcome(toy, tmp_path, issuer.token("admin", tenant="speech")) is PermissionDenied


def test_bytes_of_a_day_run_out_in_the_middle_of_a_stream(start, issuer, tmp_path):
    quotas = tmp_path / "quotas.yaml"
    quotas.write_text("vision: {bytes_per_day: 100}\nspeech: {}\n")
    toy = start(*issuer.flags(), "--quotas", str(quotas))
    ask = pb.ReadRecordsRequest(name="any", count=1000)
    with calling(toy.address, holding(tmp_path, issuer.token("reader"))) as stub:
        received = []
        with pytest.raises(QuotaExceeded, match="100 bytes per day") as refused:
            received.extend(stub.ReadRecords(ask))
        assert refused.value.metadata["tenant"] == "vision"
        assert float(refused.value.metadata["retry_after_s"]) > 0
    assert outcome(toy, tmp_path, issuer.token("reader")) is QuotaExceeded
    with calling(toy.address, holding(tmp_path, issuer.token("reader", tenant="speech"))) as stub:
        assert len(list(stub.ReadRecords(ask))) == 1000


def test_tokens_are_never_logged(start, issuer, tmp_path):
    toy = start(*issuer.flags(), "--log-level", "debug")
    refused, accepted = "a-token-that-is-unknown", issuer.token("admin")
    outcome(toy, tmp_path, refused)
    outcome(toy, tmp_path, accepted)
    log = toy.log.read_text()
    assert "GetDataset" in log
    assert refused not in log
    assert accepted not in log
