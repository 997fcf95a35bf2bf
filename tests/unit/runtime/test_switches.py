"""Settings that are on or off, from flags, environment and file."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import pytest

from synthmill.runtime.config import ServiceConfig, load_config, setting, to_flags
from synthmill.runtime.errors import InvalidField


@dataclasses.dataclass(frozen=True)
class Config(ServiceConfig):
    """Settings with a switch each way."""

    service: ClassVar[str] = "pipeline"

    light: bool = setting(False, "off unless switched on")
    sound: bool = setting(True, "on unless switched off")


@pytest.mark.parametrize(("text", "value"), [("true", True), ("on", True), ("FALSE", False), ("off", False)])
def test_words_for_on_and_off(text, value):
    assert load_config(Config, ["--light", text, "--sound", text], {}) == Config(light=value, sound=value)
    assert load_config(Config, [], {"SYNTHMILL_LIGHT": text}).light is value


def test_file_has_them_as_yaml_does(tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_text("light: yes\nsound: false\n")
    assert load_config(Config, ["--config", str(path)], {}) == Config(light=True, sound=False)


@pytest.mark.parametrize("text", ["", "1", "maybe", "truee"])
def test_anything_else_is_refused(text):
    with pytest.raises(InvalidField, match="allowed: true or false"):
        load_config(Config, ["--light", text], {})


def test_other_settings_are_no_switches():
    with pytest.raises(InvalidField, match="an integer"):
        load_config(Config, ["--port", "true"], {})


def test_flags_for_a_worker_make_the_same_settings():
    config = Config(light=True, sound=False)
    assert load_config(Config, to_flags(config), {}) == config
