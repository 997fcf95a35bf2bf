"""A file of the store, by name and digest."""

from __future__ import annotations

import dataclasses

from synthmill.runtime.errors import DataLoss, InvalidField
from synthmill.v1 import artifact_pb2

SCHEME = "store://sha256/"


@dataclasses.dataclass(frozen=True)
class Artifact:
    """A file of the store; fields as in the message `Artifact`."""

    name: str
    uri: str
    sha256: str
    size_bytes: int
    media_type: str = ""

    def to_proto(self) -> artifact_pb2.Artifact:
        """Makes the message."""
        return artifact_pb2.Artifact(**dataclasses.asdict(self))

    @classmethod
    def from_proto(cls, message: artifact_pb2.Artifact) -> Artifact:
        """Reads the message.

        Raises:
            InvalidField: digest and URI are malformed or differ.
        """
        if len(message.sha256) != 64 or set(message.sha256) - set("0123456789abcdef"):
            raise InvalidField("artifact.sha256", message.sha256, "64 lower-case hex digits")
        if message.uri != SCHEME + message.sha256:
            raise InvalidField("artifact.uri", message.uri, SCHEME + message.sha256)
        return cls(message.name, message.uri, message.sha256, message.size_bytes, message.media_type)


def missing(artifact: Artifact) -> DataLoss:
    """Returns the error for a file that is not there."""
    return DataLoss(f"{artifact.name}: missing from the store", artifact=artifact.name, uri=artifact.uri)


def damaged(artifact: Artifact) -> DataLoss:
    """Returns the error for a file with other bytes than its name says."""
    return DataLoss(
        f"{artifact.name}: the stored bytes do not match their digest", artifact=artifact.name, uri=artifact.uri
    )
