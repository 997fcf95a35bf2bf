"""The committed stubs run on the oldest gRPC and protobuf that are declared, and on the newest."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_messages_are_the_same_bytes_on_oldest_and_newest(oldest_python):
    oldest, newest = round_trip(oldest_python), round_trip(Path(sys.executable))
    assert (oldest["grpc"], oldest["protobuf"]) == declared_oldest()
    assert newest["protobuf"].startswith("7.")
    assert newest["messages"] > 50
    assert {key: oldest[key] for key in ("modules", "messages", "sha256")} == {
        key: newest[key] for key in ("modules", "messages", "sha256")
    }


def declared_oldest() -> tuple[str, str]:
    lines = (ROOT / "requirements" / "client-oldest.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    return pins["grpcio"], pins["protobuf"]


def round_trip(python: Path) -> dict:
    command = [python, "-W", "error", Path(__file__).with_name("round_trip.py")]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
