"""synthmill evaluate, and synthmill evaluations."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthmill.cli.following import follow
from synthmill.cli.jobs import show_job
from synthmill.cli.options import Address, Json, connect, number_option
from synthmill.cli.output import pairs, show, table, to_json

if TYPE_CHECKING:
    from synthmill.client import Client
    from synthmill.v1 import evaluation_pb2

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="What versions were found to be worth: evaluations/N."
)

_REPORT_FILES = ("report.html", "findings.json")
_SHOWN_EVALUATIONS = 50
_BOUNDS = {"HIGH": "at least", "LOW": "at most"}

Subject = Annotated[
    str, typer.Argument(metavar="SUBJECT", help="MODEL or MODEL/versions/N; datasets/NAME for a dataset.")
]
Classic = Annotated[
    str, typer.Option(metavar="FILE.yaml|NAME|policies/NAME", help="Augmentation to compare with; light by default.")
]
Thresholds = Annotated[
    list[str] | None, typer.Option("--threshold", metavar="FIGURE=VALUE", help="Bound of the gate; may be repeated.")
]
Without = Annotated[
    list[str] | None, typer.Option("--without", metavar="FIGURE", help="Bound that does not count; may be repeated.")
]
Arms = Annotated[
    list[str] | None,
    typer.Option("--arm", metavar="ARM", help="Only try this way to make training data; may be repeated."),
]
Share = Annotated[
    float, number_option("--share", float, "Share of samples where they are mixed with real records, 0.5 by default.")
]
Filtered = Annotated[bool, typer.Option("--filter", help="Evaluate the samples that pass the model's own filter.")]
ReportFolder = Annotated[
    Path | None, typer.Option("--report", metavar="DIR", help="Write report.html and findings.json to this folder.")
]


def evaluate(
    subject: Subject,
    against: Annotated[
        str, typer.Option(metavar="DATASET", help="Real records; those that the model was trained on by default.")
    ] = "",
    seeds: Annotated[
        int, number_option("--seeds", int, "Probes for each way to make training data, 3 by default.", low=0)
    ] = 0,
    probe_steps: Annotated[
        int, number_option("--probe-steps", int, "Batches that each probe learns from, 2,000 by default.", low=0)
    ] = 0,
    samples: Annotated[
        int, number_option("--samples", int, "Samples to draw; as many as real records by default.", low=0)
    ] = 0,
    thresholds: Thresholds = None,
    without: Without = None,
    policy: Classic = "",
    arms: Arms = None,
    share: Share = 0.0,
    filter_it: Filtered = False,
    report: ReportFolder = None,
    seed: Annotated[int, number_option("--seed", int, "Seed of everything random, samples included.")] = 0,
    request_id: Annotated[str, typer.Option(help="UUID; a second run with the same one gets the same job.")] = "",
    follow_it: Annotated[
        bool, typer.Option("--follow", help="Show progress until the evaluation is there; implied by --report.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check and resolve the request.")] = False,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Measure what a model's samples are worth for training.

    Beside the dull alternatives, and on real records that nothing has learned from. Exits with 18 if the gate is not
    passed; `synthmill evaluations thresholds` lists what it looks at.
    """
    with connect(address) as client:
        job = client.evaluation.create_evaluation_job(
            subject,
            against,
            seeds=seeds,
            probe_steps=probe_steps,
            samples=samples,
            policy=policy or None,
            thresholds=_parse_thresholds(thresholds),
            without_thresholds=without or [],
            arms=arms or [],
            synthetic_share=share,
            filter=filter_it,
            seed=seed,
            request_id=request_id,
            validate_only=dry_run,
        )
        if dry_run or not (follow_it or report):
            show_job(job, as_json)
            return
        evaluation = client.catalog.get_evaluation(follow(client, job).result)
        _tell(client, evaluation, report, as_json)
    _require_passed(evaluation)


@app.command("list")
def list_evaluations(
    subject: Annotated[
        str, typer.Argument(metavar="[SUBJECT]", help="Only those of this MODEL, datasets/NAME, or version of one.")
    ] = "",
    limit: Annotated[int, number_option("--limit", int, "At most this many.", low=1)] = _SHOWN_EVALUATIONS,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """List evaluations, the newest first."""
    with connect(address) as client:
        found = list(islice(client.catalog.list_evaluations(subject), limit))
    rows = [
        (item.name, item.subject, item.reference, _outcome(item.passed), item.create_time.ToJsonString())
        for item in found
    ]
    text = table(("NAME", "SUBJECT", "REFERENCE", "GATE", "CREATED"), rows)
    show([to_json(item) for item in found], as_json, text)


@app.command("show")
def show_evaluation(
    name: Annotated[str, typer.Argument(metavar="EVALUATION", help="evaluations/N, or N.")],
    report: ReportFolder = None,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Show what was found, and write the report if asked to."""
    with connect(address) as client:
        _tell(client, client.catalog.get_evaluation(name), report, as_json)


@app.command("thresholds")
def list_thresholds(address: Address = None, as_json: Json = False) -> None:
    """List the bounds that a gate may have."""
    with connect(address) as client:
        values = [to_json(threshold) for threshold in client.evaluation.list_thresholds()]
    rows = [(v["figure"], f"{_BOUNDS[v['better']]} {v['default_value']:g}", v["meaning"]) for v in values]
    show(values, as_json, table(("FIGURE", "DEFAULT", "MEANING"), rows))


def _tell(client: Client, evaluation: evaluation_pb2.Evaluation, report: Path | None, as_json: bool) -> None:
    """Writes the report, if it is wanted, and prints what was found."""
    if report is not None:
        report.mkdir(parents=True, exist_ok=True)
        for artifact in evaluation.artifacts:
            if artifact.name in _REPORT_FILES:
                client.catalog.download_artifact(evaluation.name, artifact, report / artifact.name)
    _show(evaluation, as_json)


def _parse_thresholds(given: Sequence[str] | None) -> dict[str, float]:
    from synthmill.runtime.errors import InvalidField

    bounds: dict[str, float] = {}
    for text in given or []:
        figure, _, bound = text.partition("=")
        try:
            if figure in bounds:
                raise ValueError
            bounds[figure] = float(bound)
        except ValueError:
            raise InvalidField("--threshold", text, "FIGURE=VALUE, such as coverage=0.5, each figure once") from None
    return bounds


def _show(evaluation: evaluation_pb2.Evaluation, as_json: bool) -> None:
    values = to_json(evaluation)
    about = pairs(
        {
            "name": evaluation.name,
            "subject": evaluation.subject,
            "reference": evaluation.reference,
            "job": evaluation.job,
            "created": evaluation.create_time.ToJsonString(),
            "files": ", ".join(artifact.name for artifact in evaluation.artifacts),
            "gate": _outcome(evaluation.passed),
        }
    )
    gate = table(("FIGURE", "MEASURED", "ALLOWED", "GATE"), [_row(condition) for condition in values["conditions"]])
    show(values, as_json, "\n\n".join([about, gate, *(["\n".join(evaluation.verdict)] if evaluation.verdict else [])]))


def _row(condition: dict[str, Any]) -> tuple[str, ...]:
    allowed = f"{_BOUNDS[condition['better']]} {condition['bound']:g}"
    return condition["figure"], f"{condition['value']:.4g}", allowed, _outcome(condition["passed"])


def _outcome(passed: bool) -> str:
    return "passed" if passed else "refused"


def _require_passed(evaluation: evaluation_pb2.Evaluation) -> None:
    """Raises `GateRefused` for an evaluation that did not pass."""
    from synthmill.runtime.gate import refusal

    if not evaluation.passed:
        raise refusal(evaluation)
