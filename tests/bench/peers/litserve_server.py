"""The generator behind LitServe: `python litserve_server.py --port PORT`."""

from __future__ import annotations

import sys

import litserve
import numpy as np
from fastapi import Response
from generator import open_served


class Generator(litserve.LitAPI):
    """Makes as many samples as asked for."""

    def setup(self, device: str) -> None:
        self._generate = open_served()

    # Without an annotation, by which LitServe would look for the argument in the URL.
    def decode_request(self, request) -> int:
        return int(request["count"])

    def predict(self, x: int) -> np.ndarray:
        return self._generate(x)

    def encode_response(self, output: np.ndarray) -> Response:
        return Response(content=output.tobytes(), media_type="application/octet-stream")


if __name__ == "__main__":
    served = litserve.LitServer(Generator(), accelerator="cpu")
    served.run(host="127.0.0.1", port=int(sys.argv[2]), generate_client_file=False, log_level="error")
