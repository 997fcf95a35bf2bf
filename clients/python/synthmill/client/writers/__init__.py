"""Samples to files, a module per format; each keeps little in memory, however many samples there are."""

from synthmill.client.writers.base import Writer
from synthmill.client.writers.folder import FolderWriter
from synthmill.client.writers.npz import NpzWriter
from synthmill.client.writers.parquet import ParquetWriter
from synthmill.client.writers.webdataset import WebDatasetWriter

FORMATS: dict[str, type[Writer]] = {
    "npz": NpzWriter,
    "parquet": ParquetWriter,
    "webdataset": WebDatasetWriter,
    "png": FolderWriter,
}
"""Writers by the format's name."""

__all__ = ["FORMATS", "Writer"]
