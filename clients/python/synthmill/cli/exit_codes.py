"""What the command exits with: a number per class of error."""

from __future__ import annotations

from synthmill.runtime import errors

SUCCESS = 0
FAULT = 1
USAGE = 2

EXIT_CODES: dict[type[errors.SynthmillError], int] = {
    errors.Internal: FAULT,
    errors.InvalidField: USAGE,
    errors.OutOfRange: 3,
    errors.NotFound: 4,
    errors.AlreadyExists: 5,
    errors.FailedPrecondition: 6,
    errors.BadData: 7,
    errors.BadGraph: 8,
    errors.DataLoss: 9,
    errors.ResourceExhausted: 10,
    errors.Unavailable: 11,
    errors.StaleLease: 12,
    errors.Cancelled: 13,
    errors.DeadlineExceeded: 14,
    errors.PermissionDenied: 15,
    errors.Diverged: 16,
    errors.Overloaded: 17,
    errors.GateRefused: 18,
    errors.Unauthenticated: 19,
    errors.QuotaExceeded: 20,
}


def exit_code(error: errors.SynthmillError) -> int:
    """Returns what the command exits with after an error."""
    return EXIT_CODES.get(type(error), FAULT)


def signal_exit_code(number: int) -> int:
    """Returns what the command exits with after a signal, as shells have it."""
    return 128 + number
