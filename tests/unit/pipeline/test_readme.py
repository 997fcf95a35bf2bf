"""The plans of the guide are plans, and its list of modules is complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from synthmill.client.plans import to_plan
from synthmill.pipeline.convert import to_mapping
from synthmill.pipeline.parsing import parse_plan

FOLDER = Path(__file__).parents[3] / "services/synthmill/pipeline"
README = (FOLDER / "README.md").read_text()


@pytest.mark.parametrize(
    "text", re.findall(r"```yaml\n(.*?)```", README, re.DOTALL), ids=["dataset", "source", "search"]
)
def test_plans_of_the_guide_can_be_run(text):
    given = yaml.safe_load(text)
    plan = parse_plan(to_mapping(to_plan(given)))
    assert plan.dataset == f"datasets/{given['dataset']}" if "dataset" in given else plan.source == given["source"]
    assert parse_plan(plan.to_json()) == plan


def test_list_of_modules_is_complete():
    table = README[: README.index("## A plan")]
    listed = {
        name.rstrip("/")
        for names in re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
        for name in re.findall(r"`([\w/]+)`", names)
    }
    modules = {path.stem for path in FOLDER.iterdir() if not path.stem.startswith("_") and path.name != "README.md"}
    assert listed == modules
