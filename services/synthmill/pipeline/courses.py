"""Ends a training early whose utility in passing is below the median of the others at the same share of the run."""

from __future__ import annotations

from synthmill.pipeline.partners import JobStopped, OnEvent
from synthmill.pipeline.study import Study
from synthmill.v1 import job_pb2

TSTR = "tstr"
"""What trainings measure in passing: accuracy on held-out real records of a probe that learned from samples."""

_TENTHS = 10


class Course:
    """The courses of the trainings of a study.

    Args:
        study: compares them.
    """

    def __init__(self, study: Study) -> None:
        self._study = study

    def watch(self, number: int) -> OnEvent:
        """Returns what looks at the events of a training.

        It raises JobStopped once the training is not worth going on with. The same events give the same decision.

        Args:
            number: of the trial.
        """
        reported = 0

        def look(event: job_pb2.JobEvent) -> None:
            nonlocal reported
            progress = event.progress
            if TSTR not in progress.metrics or not progress.total:
                return
            reached, utility = _TENTHS * progress.done // progress.total, progress.metrics[TSTR]
            # At the end there is nothing to be saved any more.
            for tenth in range(reported + 1, min(reached, _TENTHS - 1) + 1):
                reported = tenth
                if self._study.report(number, tenth, utility):
                    raise JobStopped(
                        f"after {tenth} tenths of the training its utility was {utility:.3f}, below the others' median"
                    )

        return look
