"""What failed tests tell beyond their own output."""

from __future__ import annotations

import pytest

from support.cluster import running_services


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Adds the ends of the logs of the services that are running."""
    report = yield
    if report.failed:
        for service in running_services():
            report.sections.append((f"log of {service.service} at {service.address}", service.log_tail()))
    return report
