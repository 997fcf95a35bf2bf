"""The families of generators."""

from collections.abc import Mapping
from types import MappingProxyType

from synthmill.learning.families.adversarial import Adversarial
from synthmill.learning.families.base import Family
from synthmill.learning.families.variational import Variational

FAMILIES: Mapping[str, type[Family]] = MappingProxyType({"gan": Adversarial, "vae": Variational})
