"""The generator behind mosec: `python mosec_server.py --port PORT`. A request is a number, its answer raw bytes."""

from __future__ import annotations

from generator import open_served
from mosec import Server, Worker


class Generator(Worker):
    """Makes as many samples as asked for."""

    def __init__(self) -> None:
        super().__init__()
        self._generate = open_served()

    def deserialize(self, data: bytes) -> int:
        return int(data)

    def forward(self, data: int) -> bytes:
        return self._generate(data).tobytes()

    def serialize(self, data: bytes) -> bytes:
        return data


if __name__ == "__main__":
    server = Server()
    server.append_worker(Generator)
    server.run()
