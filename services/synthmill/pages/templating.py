"""Templates of pages that refer to nothing outside of themselves and run no script."""

from __future__ import annotations

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined


def open_templates(package: str) -> Environment:
    """Returns the templates of a package's folder `templates`, and those that all pages share."""
    templates = Environment(
        loader=ChoiceLoader([PackageLoader(package, "templates"), PackageLoader(__package__, "templates")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # The order of classes and figures says something; a number that is not finite is no JSON.
    templates.policies["json.dumps_kwargs"] = {"sort_keys": False, "allow_nan": False}
    return templates
