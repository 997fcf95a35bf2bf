"""Places that an import may read."""

from __future__ import annotations

import os

import pytest

from synthmill.catalog.roots import parse_roots, resolve_source
from synthmill.runtime.errors import InvalidField, PermissionDenied


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root/set").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    return tmp_path / "root"


@pytest.mark.parametrize("form", ["{}", "file://{}", "file://localhost{}"])
def test_path_and_file_uri_under_a_root_are_allowed(root, form):
    assert resolve_source(form.format(root / "set"), [root]) == root / "set"


def test_escapes_in_a_uri_are_undone(root):
    (root / "a set").mkdir()
    assert resolve_source(f"file://{root}/a%20set", [root]) == root / "a set"


def test_root_itself_is_allowed(root):
    assert resolve_source(str(root), [root]) == root


@pytest.mark.parametrize(
    "path", ["../secret", "set/../../secret", "../secret/does-not-exist", "../root-2"], ids=lambda path: path
)
def test_path_outside_is_refused_whether_it_exists_or_not(root, path):
    with pytest.raises(PermissionDenied) as refusal:
        resolve_source(f"{root}/{path}", [root])
    assert refusal.value.metadata["field"] == "source_uri"


def test_link_that_leaves_the_root_is_refused(root):
    (root / "link").symlink_to(root.parent / "secret")
    with pytest.raises(PermissionDenied):
        resolve_source(str(root / "link"), [root])


def test_link_inside_the_root_is_followed(root):
    (root / "link").symlink_to(root / "set")
    assert resolve_source(str(root / "link"), [root]) == root / "set"


@pytest.mark.parametrize("uri", ["", "s3://bucket/key", "http://host/x", "file://host/x", "a\0b"], ids=repr)
def test_other_forms_are_refused(root, uri):
    with pytest.raises(InvalidField, match="source_uri"):
        resolve_source(uri, [root])


def test_missing_source_under_a_root_is_an_invalid_field(root):
    with pytest.raises(InvalidField, match="nothing is there"):
        resolve_source(str(root / "gone"), [root])


def test_roots_are_a_list_as_in_path_and_default_to_the_current_folder(root, monkeypatch):
    assert parse_roots(f"{root}{os.pathsep}{root.parent}") == [root, root.parent]
    monkeypatch.chdir(root)
    assert parse_roots("") == [root]
