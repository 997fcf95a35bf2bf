"""A loop from data to what is shipped, over fake services whose figures are known."""

from __future__ import annotations

import threading

import pytest
from unit.pipeline.attempts import SMALL, told, with_changes
from unit.pipeline.jobs import CANCELLED, SUCCEEDED
from unit.pipeline.makes import DATASET
from unit.pipeline.worths import no_lift

from synthmill.pipeline.record import Outcome, Stage, State
from synthmill.runtime.errors import Cancelled, FailedPrecondition, NotFound
from synthmill.v1 import job_pb2

MODEL = "models/pets-loop"


def stages_of(record) -> list[tuple[int, str]]:
    return [(trial.round, str(trial.stage)) for trial in record.trials]


def test_loop_finds_the_best_of_everything_and_ships_it(service, world):
    record = service.run()
    assert stages_of(record) == [
        *([(1, "policies")] * 2),
        *([(1, "generators")] * 2),
        (1, "mixes"),
        (2, "mixes"),
    ]
    assert all(trial.state is State.COMPLETE for trial in record.trials)
    first, second = record.rounds
    assert (first.policy, first.best_arm, first.best_baseline) == ("rand_augment", "everything", "augmented")
    assert first.filtered
    assert first.validation_lift == pytest.approx(0.025)
    assert (first.lift_low, first.lift_high) == pytest.approx((0.02, 0.03))
    assert [weak.label for weak in first.weak_classes] == ["fox"]
    assert not second.evaluation, "more samples of the weak class were not better"
    decision = record.decision
    assert (decision.outcome, decision.model, decision.promoted) == (Outcome.MODEL, first.model, True)
    assert world.promoted == [decision.model]
    assert world.generators[decision.model].parameters["width"] == 16
    assert decision.dataset == first.synthetic_dataset
    assert {artifact.name for artifact in record.artifacts} == {
        "loop.html",
        "round-1.html",
        "round-2.html",
        "collect.csv",
    }


def test_trials_are_cheap_and_look_at_validation_records_alone(service, world):
    record = service.run()
    evaluations = world.asked_for("CreateEvaluationJob")
    trials = [request for request in evaluations if request.arms]
    (whole,) = [request for request in evaluations if not request.arms]
    assert len(trials) == len(record.trials)
    assert [list(request.arms) for request in trials[:3]] == [
        ["real", "oversampled", "class_weighted", "augmented"],
        ["augmented"],
        ["everything"],
    ]
    assert {(request.seeds, request.probe_steps) for request in trials} == {(1, 10)}
    assert (whole.seeds, whole.probe_steps, whole.subject) == (2, 20, record.decision.model)
    assert whole.HasField("filter")
    assert {request.against for request in evaluations} == {DATASET}
    for trial in record.trials:
        figures = world.evaluations[trial.evaluation].figures
        arm = "augmented" if trial.stage is Stage.POLICIES else "everything"
        assert trial.score == figures[f"arms.{arm}.validation_macro_f1"]


def test_generators_are_trained_as_asked(service, world):
    service.run(with_changes(SMALL, augment={"before_training": [True, False]}))
    for request in world.asked_for("CreateTrainingJob"):
        assert (request.family, request.model, request.budget.ToSeconds()) == ("vae", "pets-loop", 60)
    assert world.asked_for("CreateTrainingJob")[0].dataset == "datasets/pets-augmented/versions/1"
    (augmentation,) = world.asked_for("CreateAugmentationJob")
    assert (augmentation.ready_made, augmentation.balance, augmentation.dataset) == ("rand_augment", True, DATASET)


def test_minted_samples_are_a_dataset_with_their_recipe(service, world):
    record = service.run()
    dataset = world.datasets[record.decision.dataset]
    assert [(split.name, split.record_count) for split in dataset.splits] == [("train", 12)]
    names = {artifact.name for artifact in dataset.artifacts}
    assert names == {"train.parquet", "train.image.npy", "train.label.npy", "recipe.json", "preview.png"}
    assert dataset.provenance.origin == (
        f"synthetic: samples 0 to 11 of {record.decision.model} for the seed 0, through its own filter; see recipe.json"
    )
    assert world.streams[0].HasField("filter")
    emphasised = [each for each in world.datasets.values() if "synthetic" in each.name][-1]
    assert emphasised.splits[0].record_count == 4 + 4 + 2 * 4


def test_samples_that_hurt_are_not_shipped_and_the_best_baseline_is(service, world):
    world.lift = no_lift
    record = service.run()
    assert len(record.rounds) == 1
    decision = record.decision
    assert (decision.outcome, decision.model, decision.promoted) == (Outcome.BASELINE, "", False)
    assert (decision.arm, decision.policy) == ("augmented", "rand_augment")
    assert decision.dataset == "datasets/pets-augmented/versions/1"
    assert "Samples hurt" in " ".join(decision.sentences)
    assert world.promoted == []


def test_lift_that_grows_has_another_round_and_ships_its_model(service, world):
    world.lift = lambda samples: 0.01 + 0.001 * samples.parameters["width"]
    widths = {"width": {"low": 8, "high": 64}}
    plan = with_changes(
        SMALL, train={"families": {"vae": {"parameters": widths}}}, budget={"trials": 12}, refine={"filter": [False]}
    )
    record = service.run(plan)
    first, second = record.rounds
    assert second.validation_lift > first.validation_lift
    assert record.decision.model == second.model
    assert world.promoted == [second.model]


def test_model_is_evaluated_by_itself_before_it_is_promoted(service, world):
    # What is best has more samples of the weak class, which are in the dataset alone.
    world.lift = lambda samples: 0.01 + 0.02 * samples.is_dataset
    record = service.run(with_changes(SMALL, budget={"rounds": 3, "trials": 12}))
    by_subject = [request.subject for request in world.asked_for("CreateEvaluationJob") if not request.arms]
    assert record.decision.promoted
    assert by_subject[-1] == record.decision.model


def test_training_that_is_poor_is_ended_early_and_not_measured(service, world):
    world.courses = {"vae": [0.2, 0.4, 0.6, 0.7, 0.8, 0.8], "gan": [0.1, 0.1, 0.1, 0.1, 0.1, 0.1]}
    families = {"vae": {"parameters": {"width": {"low": 8, "high": 64}}}, "gan": {}}
    record = service.run(with_changes(SMALL, train={"families": families}, budget={"trials": 16, "rounds": 1}))
    stopped = [trial for trial in record.trials if trial.state is State.STOPPED]
    assert stopped
    assert {trial.values["family"] for trial in stopped} == {"gan"}
    assert all(trial.score is None and not trial.evaluation for trial in stopped)
    assert "after 3 tenths of the training its utility was 0.100" in stopped[0].note


def test_step_that_fails_fails_its_trial_alone(service, world):
    error = job_pb2.JobError(code=9, reason="FAILED_PRECONDITION", message="a loss of 3.00 points; allowed: 0.5")
    world.refused = {"int8": error}
    record = service.run(with_changes(SMALL, refine={"compression": ["int8"]}))
    failed = [trial for trial in record.trials if trial.state is State.FAILED]
    assert failed
    assert {trial.stage for trial in failed} == {Stage.MIXES}
    assert failed[0].note == "a loss of 3.00 points; allowed: 0.5"
    assert record.decision.outcome is Outcome.MODEL


def test_without_any_generator_the_best_baseline_is_shipped(service, world):
    plan = with_changes(SMALL, train={"families": {"vae": {"parameters": {"width": {"choices": [0, -1]}}}}})
    record = service.run(plan)
    assert {trial.state for trial in record.trials if trial.stage is Stage.GENERATORS} == {State.FAILED}
    assert (record.decision.outcome, record.decision.arm) == (Outcome.BASELINE, "augmented")
    assert record.decision.policy == "rand_augment"
    assert "No generator could be made" in " ".join(record.decision.sentences)


def test_dataset_that_no_family_can_learn_from_has_a_baseline(service, world):
    world.untrainable = True
    record = service.run()
    assert Stage.GENERATORS not in {trial.stage for trial in record.trials}
    assert record.skipped == ["No vae was trained: fewer than 8 training records in fox"]
    assert (record.decision.outcome, record.decision.arm) == (Outcome.BASELINE, "augmented")


def test_source_is_imported_first(service, world):
    plan = {**SMALL, "dataset": "", "source": "/data/pets.zip", "kind": "image"}
    record = service.run(plan)
    (request,) = world.asked_for("ImportDataset")
    assert (request.source_uri, request.spec.dataset, request.spec.kind) == ("/data/pets.zip", "pets", "image")
    assert request.spec.parameters["validation_fraction"] == 0.2
    assert record.dataset == "datasets/pets/versions/1"


def test_augmentation_that_does_no_good_is_left_out_with_samples_too(service, world):
    service.run(with_changes(SMALL, augment={"policies": ["standard"]}))
    assert list(world.asked_for("CreateEvaluationJob")[1].arms) == ["real_synthetic"]


def test_without_policies_samples_stand_beside_plain_baselines(service, world):
    record = service.run(with_changes(SMALL, augment={"policies": ["none"]}))
    first = world.asked_for("CreateEvaluationJob")[0]
    assert list(first.arms) == ["real", "oversampled", "class_weighted"]
    assert record.trials[0].score == pytest.approx(0.81)
    assert list(world.asked_for("CreateEvaluationJob")[1].arms) == ["real_synthetic"]


def test_short_time_leaves_things_out_and_says_so(service, world):
    record = service.run(with_changes(SMALL, budget={"minutes": 0.1}, train={"minutes": 0.05}))
    assert record.skipped
    assert [trial.stage for trial in record.trials].count(Stage.GENERATORS) == 1
    assert record.rounds[0].evaluation, "there is time for a whole evaluation whatever happens"
    assert record.decision


def test_cancelled_loop_cancels_what_it_waits_for_and_goes_on_with_it(service, world):
    world.hanging = {"CreateTrainingJob"}
    job = service.create()
    context = service.begin()
    failures = []

    def run() -> None:
        try:
            service.run_attempt(context)
        except Cancelled as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    service.wait_for(lambda: world.asked_for("CreateTrainingJob"))
    context.cancel()
    thread.join(30)
    assert len(failures) == 1
    (training,) = world.jobs["training"].found.values()
    assert training.state == CANCELLED
    world.hanging = set()
    service.give_back(context)
    service.attempt()
    assert training.state == SUCCEEDED
    assert service.record(job).decision.outcome is Outcome.MODEL
    assert max(world.made.values()) == 1


def test_dataset_that_cannot_be_measured_against_ends_the_loop(service, world):
    world.datasets[DATASET].splits.pop(1)
    service.create()
    with pytest.raises(FailedPrecondition, match="no records in the split 'validation'"):
        service.attempt()
    world.datasets.clear()
    service.create()
    with pytest.raises(NotFound):
        service.attempt()


def test_attempt_that_dies_anywhere_is_gone_on_with_to_the_same_end(service, world, tmp_path):
    undisturbed = service.run()
    looks, requests = service.last.looks, set(world.made)
    assert looks > 60
    for number, dies_at in enumerate(range(3, looks, looks // 9)):
        with service.another(tmp_path / str(number)) as other:
            job = other.create()
            other.attempt(dies_at)
            other.attempt()
            assert told(other.record(job)) == told(undisturbed)
            assert max(other.world.made.values()) == 1
            assert len(other.world.made) == len(requests)
