"""synthmill tokens."""

from __future__ import annotations

import yaml

from synthmill.runtime.security.roles import ROLES
from synthmill.runtime.security.tokens import StaticTokens


def test_token_that_was_added_is_let_in(run, tmp_path):
    listed = tmp_path / "tokens.yaml"
    first = run("tokens", "add", listed, "ci", "--role", "trainer", "--role", "reviewer", "--tenant", "vision")
    second = run("tokens", "add", listed, "viewer", "--role", "reader", "--json")
    assert (first.code, second.code) == (0, 0)
    tokens = StaticTokens(str(listed))
    found = tokens.find(first.out.strip())
    assert (found.subject, found.tenant) == ("ci", "vision")
    assert ROLES["trainer"] in found.roles
    assert ROLES["admin"] not in found.roles
    assert tokens.find(second.json["token"]).subject == "viewer"
    assert first.out.strip() not in listed.read_text()


def test_unknown_role_and_damaged_list_are_refused_and_change_nothing(run, tmp_path):
    listed = tmp_path / "tokens.yaml"
    refused = run("tokens", "add", listed, "ci", "--role", "emperor")
    assert refused.code == 2
    assert "--role" in refused.err
    assert not listed.exists()
    listed.write_text(yaml.safe_dump([{"subject": "ci"}]))
    before = listed.read_text()
    assert run("tokens", "add", listed, "ci", "--role", "reader").code == 2
    assert listed.read_text() == before
