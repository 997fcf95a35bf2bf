"""The page: findings in, HTML out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from synthmill.evaluation.report.classes import draw_figures_by_class, draw_recalls
from synthmill.evaluation.report.conditions import draw_verdict
from synthmill.evaluation.report.embedding import MEMORISATION_PICTURES, embed_pictures, flatten
from synthmill.evaluation.report.figures import draw_figures
from synthmill.evaluation.report.utility import draw_utility
from synthmill.learning.evaluate.findings import Findings, Group
from synthmill.pages.charts import draw_histogram
from synthmill.pages.templating import open_templates
from synthmill.runtime.errors import InvalidField


def render_report(findings: Findings, pictures: Mapping[str, bytes], made: datetime) -> bytes:
    """Draws findings as one HTML file that refers to nothing outside of itself and runs no script.

    The same arguments give the same bytes. The findings are in it as JSON too, in the element with the id "findings".

    Args:
        findings: what was found; names in it may hold any characters.
        pictures: PNG files by `Picture.name`.
        made: when it was found, with a time zone.

    Returns:
        The file, in UTF-8.

    Raises:
        InvalidField: `made` has no time zone.
        NotFound: a picture has no file.
        BadData: a file is no PNG file.
    """
    if made.tzinfo is None:
        raise InvalidField("made", made.isoformat(), "a date with a time zone")
    embedded = embed_pictures(findings.pictures, pictures)
    page = _TEMPLATES.get_template("page.html.jinja").render(
        findings=findings,
        made=made.astimezone(UTC),
        verdict=draw_verdict(findings),
        utility=draw_utility(findings),
        recalls=draw_recalls(findings),
        figures={group.value: draw_figures(findings, group) for group in Group},
        by_class=draw_figures_by_class(findings),
        histograms=[draw_histogram(distribution) for distribution in findings.distributions],
        neighbours=[each for each in embedded if each.name.startswith(MEMORISATION_PICTURES)],
        grids=[each for each in embedded if not each.name.startswith(MEMORISATION_PICTURES)],
        settings=list(flatten(findings.settings)),
        data=findings.to_json(),
    )
    return page.encode()


_TEMPLATES = open_templates(__package__)
