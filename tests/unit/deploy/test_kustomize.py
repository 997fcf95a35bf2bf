"""A kustomization is built as Kustomize would, or refused."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from deploy_checks.kustomize import FILE, BuildError, build, is_component
from deploy_checks.merging import MergeError, merge, merge_files

HEADER = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
COMPONENT_HEADER = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  template:
    metadata: { labels: { app: web } }
    spec:
      containers:
        - name: web
          image: example/web
          env: [{ name: ONE, value: "1" }, { name: TWO, valueFrom: { fieldRef: { fieldPath: spec.nodeName } } }]
"""


def write(folder: Path, kustomization: str, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kustomization.yaml").write_text(HEADER + kustomization)
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


@pytest.fixture
def base(tmp_path) -> Path:
    return write(tmp_path / "base", "namespace: here\nresources: [web.yaml]", web=DEPLOYMENT)


def test_an_overlay_is_its_base_patched(base, tmp_path):
    patch = """
        kind: Deployment
        metadata: { name: web }
        spec:
          template:
            spec:
              containers:
                - name: web
                  env: [{ name: TWO, value: "2", valueFrom: null }, { name: THREE, value: "3" }]
                - { name: beside, image: "example/beside:1" }
    """
    images = "images: [{ name: example/web, newTag: '7' }]"
    overlay = write(
        tmp_path / "over", f"resources: [../base]\npatches: [{{ path: patch.yaml }}]\n{images}", patch=patch
    )
    (built,) = build(overlay)
    beside, web = built["spec"]["template"]["spec"]["containers"]
    assert web["image"] == "example/web:7"
    # What is new comes first.
    assert web["env"] == [
        {"name": name, "value": value} for name, value in zip(("THREE", "ONE", "TWO"), "312", strict=True)
    ]
    assert beside["image"] == "example/beside:1"
    assert built["metadata"] == {"name": "web", "namespace": "here"}
    # The base is as it was.
    assert build(base)[0]["spec"]["template"]["spec"]["containers"][0]["image"] == "example/web"


def test_a_patch_with_a_target_is_laid_over_all_that_match(tmp_path):
    other = DEPLOYMENT.replace("web", "wide")
    patch = "kind: Deployment\nmetadata: { name: any, labels: { seen: 'yes' } }"
    target = "patches: [{ path: patch.yaml, target: { kind: Deployment, name: w.* } }]"
    folder = write(
        tmp_path / "all", f"resources: [web.yaml, other.yaml]\n{target}", web=DEPLOYMENT, other=other, patch=patch
    )
    assert [(built["metadata"]["name"], built["metadata"]["labels"]) for built in build(folder)] == [
        ("web", {"seen": "yes"}),
        ("wide", {"seen": "yes"}),
    ]


def test_a_patch_can_delete(base, tmp_path):
    patch = "$patch: delete\nkind: Deployment\nmetadata: { name: web }"
    assert build(write(tmp_path / "none", "resources: [../base]\npatches: [{ path: p.yaml }]", p=patch)) == []


def test_a_component_is_laid_over_whatever_lists_it(base, tmp_path):
    patch = "kind: Deployment\nmetadata: { name: web, labels: { seen: 'yes' } }"
    component = write(tmp_path / "part", "patches: [{ path: patch.yaml }]\nresources: [more.yaml]", patch=patch)
    (component / "more.yaml").write_text(DEPLOYMENT.replace("web", "more"))
    (component / FILE).write_text((component / FILE).read_text().replace(HEADER, COMPONENT_HEADER))
    # Patches of the overlay come after it.
    above = "kind: Deployment\nmetadata: { name: more, labels: { seen: 'twice' } }"
    text = "resources: [../base]\ncomponents: [../part]\npatches: [{ path: above.yaml }]"
    overlay = write(tmp_path / "over", text, above=above)
    assert is_component(component)
    assert not is_component(overlay)
    web, more = build(overlay)
    assert web["metadata"] == {"name": "web", "namespace": "here", "labels": {"seen": "yes"}}
    assert more["metadata"]["labels"] == {"seen": "twice"}
    with pytest.raises(BuildError, match="begins otherwise"):
        build(component)


def test_a_json_patch_replaces_one_value(base, tmp_path):
    patch = "[{ op: replace, path: /spec/template/spec/containers/0/env/0/value, value: '7' }]"
    target = "patches: [{ path: patch.yaml, target: { kind: Deployment } }]"
    (built,) = build(write(tmp_path / "over", f"resources: [../base]\n{target}", patch=patch))
    assert built["spec"]["template"]["spec"]["containers"][0]["env"][0] == {"name": "ONE", "value": "7"}
    (below,) = build(base)
    assert below["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] == "1"


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        ("{ op: replace, path: /spec/replicas, value: 2 }", "web has no /spec/replicas"),
        ("{ op: remove, path: /spec/template }", "only JSON patches that replace"),
    ],
    ids=["missing-path", "removal"],
)
def test_other_json_patches_are_refused(base, tmp_path, operation, message):
    target = "patches: [{ path: patch.yaml, target: { kind: Deployment } }]"
    with pytest.raises(BuildError, match=message):
        build(write(tmp_path / "over", f"resources: [../base]\n{target}", patch=f"[{operation}]"))


def test_kustomize_itself_builds_the_same(deploy):
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl, which has Kustomize in it")
    for name, built in deploy.kustomizations.items():
        command = ["kubectl", "kustomize", deploy.path / name]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert by_name(yaml.safe_load_all(printed)) == by_name(built), name


def by_name(resources) -> dict[tuple[str, str], dict]:
    return {(resource["kind"], resource["metadata"]["name"]): resource for resource in resources}


def test_labels_reach_pods_and_not_selectors(tmp_path):
    labels = "labels: [{ pairs: { part: one }, includeTemplates: true }]"
    (built,) = build(write(tmp_path / "labels", f"resources: [web.yaml]\n{labels}", web=DEPLOYMENT))
    assert built["metadata"]["labels"] == {"part": "one"}
    assert built["spec"]["template"]["metadata"]["labels"] == {"app": "web", "part": "one"}


def test_files_become_a_config_map(tmp_path):
    generator = "configMapGenerator: [{ name: settings, files: [a.yaml] }]\n"
    options = "generatorOptions: { disableNameSuffixHash: true }"
    (built,) = build(write(tmp_path / "map", generator + options, a="x: 1"))
    assert (built["kind"], built["metadata"]["name"], built["data"]) == ("ConfigMap", "settings", {"a.yaml": "x: 1"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("helmCharts: []", "helmCharts is not known here"),
        ("resources: [nothing.yaml]", "there is no nothing.yaml"),
        ("resources: [web.yaml, web.yaml]", "is there twice"),
        ("resources: [web.yaml]\npatches: [{ patch: inline }]", "only patches with a path"),
        ("resources: [web.yaml]\npatches: [{ path: patch.yaml }]", "there is no {'kind': 'Deployment', 'name': 'x'}"),
        ("resources: [web.yaml]\ncomponents: [../nothing]", "there is no ../nothing"),
        ("resources: [web.yaml]\nimages: [{ name: web, digest: x }]", "only new tags"),
        ("configMapGenerator: [{ name: a, files: [web.yaml] }]", "without a hash"),
    ],
    ids=[
        *("unknown-key", "missing-file", "twins", "inline-patch", "patch-of-nothing", "missing-component"),
        *("digest", "hash"),
    ],
)
def test_what_is_not_known_is_refused(tmp_path, text, message):
    patch = "kind: Deployment\nmetadata: { name: x }"
    with pytest.raises(BuildError, match=r"(kustomization|patch)\.yaml: ") as raised:
        build(write(tmp_path / "bad", text, web=DEPLOYMENT, patch=patch))
    assert message in str(raised.value)


def test_null_removes_and_lists_without_names_are_replaced():
    below = yaml.safe_load("{args: [a, b], ports: [{containerPort: 1, name: one}], gone: {x: 1}}")
    above = yaml.safe_load("{args: [c], ports: [{containerPort: 1, name: uno}, {containerPort: 2}], gone: null}")
    assert merge(below, above) == {"args": ["c"], "ports": [{"containerPort": 2}, {"containerPort": 1, "name": "uno"}]}


def test_a_file_of_compose_is_laid_over_another():
    below = yaml.safe_load("{image: a, environment: {ONE: 1, TWO: 2}, volumes: ['v:/a', {source: ., target: /b}]}")
    above = yaml.safe_load("{environment: {TWO: 3}, volumes: [{source: x, target: /a}, 'w:/c'], hostname: h}")
    assert merge_files(below, above) == {
        "image": "a",
        "environment": {"ONE": 1, "TWO": 3},
        "volumes": [{"source": "x", "target": "/a"}, {"source": ".", "target": "/b"}, "w:/c"],
        "hostname": "h",
    }
    with pytest.raises(MergeError, match="not command"):
        merge_files({"command": ["a"]}, {"command": ["b"]})
