"""Augmentation: new records of given ones, over the wire."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from synthmill.client.blocking import Blocking, blocking, blocking_iterator
from synthmill.client.messages import full_name, make, new_request_id
from synthmill.client.outbox import Outbox
from synthmill.client.packing import LENT_BYTES, Packing, bytes_for
from synthmill.client.policies import PolicySource, policy_fields
from synthmill.client.records import (
    NumberedRecord,
    RecordStub,
    encode_record,
    encode_request,
    number_record,
    to_message,
)
from synthmill.client.results import Result
from synthmill.client.retrying import BROKEN, Tries
from synthmill.client.services import ServiceClient
from synthmill.kinds.boxes import from_corners, to_corners
from synthmill.runtime.addresses import is_loopback
from synthmill.runtime.errors import InvalidField, SynthmillError, Unavailable, rebuild
from synthmill.runtime.tensors import from_tensor
from synthmill.v1 import augmentation_service_pb2 as pb
from synthmill.v1 import job_pb2, policy_pb2

Images = Sequence[np.ndarray] | np.ndarray
"""A list of images (H, W, C) or (H, W), of any sizes, or one array (N, H, W, C) or (N, H, W)."""

RecordArrays = Mapping[str, Any]
"""A record: arrays by name, such as "image", "label", "boxes"; or, as "encoded", the bytes of a PNG or JPEG file."""

# More than this are streamed.
_CALL_RECORDS = 1024
_CALL_BYTES = 4 << 20


@dataclasses.dataclass(frozen=True)
class Augmented:
    """What became of a record.

    Attributes:
        index: of the record.
        arrays: by name; empty if there is an error.
        error: why it could not be augmented, None if it was.
    """

    index: int
    arrays: dict[str, np.ndarray]
    error: SynthmillError | None = None

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]


class AsyncAugmentation(ServiceClient):
    """The augmentation service.

    What becomes of a record is a function of the record, its index, the policy and the seed: the same alone, in any
    call, and however often it is asked for. A policy is a mapping, the path of a YAML file, the name of a ready-made
    one, or that of a saved one, "policies/{policy}" or "policies/{policy}/versions/{n}".
    """

    stub = RecordStub

    async def augment(
        self,
        images: Images,
        policy: PolicySource,
        *,
        seed: int = 0,
        start_index: int = 0,
        kind: str = "",
        pool: str = "",
        box_format: str = "voc",
        **targets: Sequence[Any] | None,
    ) -> Any:
        """Augments images, with their targets if there are any.

        Args:
            images: of any sizes, or one array of many.
            start_index: index of the first; the others follow.
            pool: dataset that images are mixed with, if the policy does that.
            box_format: of the boxes that come and go: "voc" (corners), "coco" or "yolo".
            targets: one for each image, by name: label, boxes, box_labels, mask, keypoints, keypoint_labels.

        Returns:
            Images in the form in which they came; with targets, a dict of these: {"image": ..., "boxes": [...]}.

        Raises:
            InvalidField: the policy, an image or a target is not allowed; or the images came as one array, and the
                results differ in size.
            FailedPrecondition: the policy mixes images, and there is no pool.
        """
        columns: dict[str, Sequence[Any]] = {"image": images}
        columns |= {name: values for name, values in targets.items() if values is not None}
        for name, values in columns.items():
            if len(values) != len(images):
                raise InvalidField(name, f"{len(values)} of them", f"one for each of the {len(images)} images")
        sizes = [image.shape[:2] for image in images]
        if "boxes" in columns:
            columns["boxes"] = _each_box(to_corners, columns["boxes"], box_format, sizes)
        records = [{name: values[row] for name, values in columns.items()} for row in range(len(images))]
        done = await self.augment_records(records, policy, seed=seed, start_index=start_index, kind=kind, pool=pool)
        results = {name: [each.arrays[name] for each in done] for name in columns}
        if "boxes" in results:
            sizes = [image.shape[:2] for image in results["image"]]
            results["boxes"] = _each_box(from_corners, results["boxes"], box_format, sizes)
        if isinstance(images, np.ndarray):
            results["image"] = _stacked(results["image"], images)
        return results if targets else results["image"]

    async def augment_records(
        self,
        records: Sequence[RecordArrays],
        policy: PolicySource,
        *,
        seed: int = 0,
        start_index: int = 0,
        indices: Sequence[int] | None = None,
        kind: str = "",
        pool: str = "",
        class_count: int = 0,
        return_errors: bool = False,
    ) -> list[Augmented]:
        """Augments records; the results are in their order.

        Args:
            records: arrays by name, each.
            indices: of the records; None counts on from `start_index`.
            class_count: length that every label must have; zero means that of the pool, or any.
            return_errors: whether a record that cannot be augmented is returned with its error, instead of raising it.

        Raises:
            InvalidField: the policy or a record is not allowed; `index` among the details says which record.
            FailedPrecondition: the policy mixes records, and there is no pool.
        """
        spec = self._spec(policy, seed=seed, kind=kind, pool=pool, class_count=class_count)
        given = range(start_index, start_index + len(records)) if indices is None else indices
        if len(given) != len(records):
            raise InvalidField("indices", f"{len(given)} of them", f"one for each of the {len(records)} records")
        numbered = list(map(number_record, records, given))
        if len(numbered) <= _CALL_RECORDS and sum(record.size for record in numbered) <= _CALL_BYTES:
            return await self._call(spec, numbered, return_errors)
        stream = self._stream_records(spec, numbered, return_errors, bytes_for(numbered))
        async with contextlib.aclosing(stream) as results:
            return [result async for result in results]

    async def iter_augmented(
        self,
        records: Iterable[RecordArrays],
        policy: PolicySource,
        *,
        seed: int = 0,
        start_index: int = 0,
        kind: str = "",
        pool: str = "",
        class_count: int = 0,
        return_errors: bool = False,
    ) -> AsyncGenerator[Augmented, None]:
        """Yields what becomes of records, in their order, while further ones are sent.

        A stream that breaks is taken up where it ended. No more records are taken from the source than the service has
        room for: a loop that is slow slows the source down, which is read in another thread.

        Raises:
            Unavailable: as many tries as `Settings.retry` allows brought nothing new; else as `augment_records`.
        """
        spec = self._spec(policy, seed=seed, kind=kind, pool=pool, class_count=class_count)
        numbered = map(number_record, records, itertools.count(start_index))
        stream = self._stream_records(spec, numbered, return_errors, LENT_BYTES)
        async with contextlib.aclosing(stream) as results:
            async for result in results:
                yield result

    async def preview(
        self,
        record: RecordArrays,
        policy: PolicySource,
        *,
        count: int = 0,
        columns: int = 0,
        seed: int = 0,
        start_index: int = 0,
        kind: str = "",
        pool: str = "",
    ) -> bytes:
        """Returns a picture, a PNG file, of what a policy makes of a record: itself first, then `count` results."""
        request = make(
            pb.PreviewRequest,
            spec=self._spec(policy, seed=seed, kind=kind, pool=pool),
            record=to_message(encode_record(number_record(record, start_index))),
            count=count,
            columns=columns,
        )
        return (await self._unary("Preview", request)).picture

    async def list_operations(self, kind: str = "") -> list[pb.Operation]:
        """Returns the operations of a kind, or of all kinds, with their parameters and an example of each."""
        return list((await self._unary("ListOperations", pb.ListOperationsRequest(kind=kind))).operations)

    async def list_ready_made_policies(self, kind: str = "") -> list[pb.ReadyMadePolicy]:
        """Returns the policies that come with a kind, or with all kinds."""
        request = pb.ListReadyMadePoliciesRequest(kind=kind)
        return list((await self._unary("ListReadyMadePolicies", request)).policies)

    async def resolve_policy(self, policy: PolicySource, *, kind: str = "") -> pb.ResolvePolicyResponse:
        """Checks a policy and returns it with every default written out, and its digest.

        Raises:
            InvalidField: something is missing, unknown or not allowed; the field is its path in the policy.
            NotFound: there is no such policy.
        """
        request = make(pb.ResolvePolicyRequest, kind=kind, **policy_fields(policy))
        return await self._unary("ResolvePolicy", request)

    async def save_policy(self, name: str, policy: PolicySource, *, kind: str = "") -> policy_pb2.PolicyVersion:
        """Checks a policy and publishes it in the catalog; returns the version, the newest one if that is the same.

        Args:
            name: policy to add a version to; "policies/" may be left out.

        Raises:
            InvalidField: the name is malformed, or the policy is not allowed; the field is its path in the policy.
            NotFound: there is no such policy.
        """
        request = make(pb.SavePolicyRequest, name=name.removeprefix("policies/"), kind=kind, **policy_fields(policy))
        return await self._unary("SavePolicy", request)

    async def create_augmentation_job(
        self,
        dataset: str,
        policy: PolicySource,
        *,
        name: str = "",
        copies: int = 0,
        records_per_class: int = 0,
        balance: bool = False,
        without_originals: bool = False,
        seed: int = 0,
        request_id: str = "",
        validate_only: bool = False,
    ) -> job_pb2.Job:
        """Begins to augment the training records of a dataset; the job's result is a dataset version.

        Args:
            dataset: "datasets/{dataset}", or one of its versions; "datasets/" may be left out.
            name: dataset to add a version to; empty means "{dataset}-augmented".
            copies: results for each record; zero means 1, unless there is a target.
            records_per_class: records that each class is brought to.
            balance: brings every class to the size of the largest.
            without_originals: leaves the real records out.
            request_id: UUID; a second call with the same one returns the same job. Empty means a new one.
            validate_only: only check and resolve the request; the job returned has no name.

        Raises:
            InvalidField: the policy or a number is not allowed.
            NotFound: there is no such dataset or policy.
            FailedPrecondition: the dataset cannot be augmented by this policy.
        """
        request = make(
            pb.CreateAugmentationJobRequest,
            dataset=full_name("datasets", dataset),
            name=name.removeprefix("datasets/"),
            copies=copies,
            records_per_class=records_per_class,
            balance=balance,
            without_originals=without_originals,
            seed=seed,
            request_id=request_id or new_request_id(),
            validate_only=validate_only,
            **policy_fields(policy),
        )
        return await self._unary("CreateAugmentationJob", request)

    async def get_lineage(self, dataset: str, record: int) -> pb.GetLineageResponse:
        """Tells which record an augmented one was made of, and what was done to it.

        Args:
            dataset: "datasets/{dataset}/versions/{n}"; "datasets/" may be left out.
            record: its position among the training records.
        """
        request = make(pb.GetLineageRequest, dataset=full_name("datasets", dataset), record=record)
        return await self._unary("GetLineage", request)

    def _spec(
        self, policy: PolicySource, *, seed: int, kind: str, pool: str, class_count: int = 0
    ) -> pb.AugmentationSpec:
        pool = full_name("datasets", pool) if pool else ""
        return make(
            pb.AugmentationSpec, kind=kind, seed=seed, pool=pool, class_count=class_count, **policy_fields(policy)
        )

    async def _call(
        self, spec: pb.AugmentationSpec, records: Sequence[NumberedRecord], return_errors: bool
    ) -> list[Augmented]:
        if not records:
            return []
        response = await self._unary("Augment", encode_request(spec, map(encode_record, records)))
        return [_to_augmented(result, return_errors) for result in response.results]

    async def _stream_records(
        self,
        spec: pb.AugmentationSpec,
        records: Iterable[NumberedRecord],
        return_errors: bool,
        lend_bytes: int,
    ) -> AsyncGenerator[Augmented, None]:
        lends = self._settings.shared_memory and is_loopback(self._endpoint.address)
        outbox, tries = Outbox(records, Packing(lend_bytes if lends else 0)), Tries(self._settings.retry)
        error: SynthmillError | None = None
        try:
            while error is None or not outbox.finished:
                if error is not None:
                    await self._endpoint.sleep(tries.pause_s(error))
                error = Unavailable("AugmentStream: the stream ended before its time")
                try:
                    async with contextlib.aclosing(self._exchange("AugmentStream", outbox.messages(spec))) as responses:
                        async for response in responses:
                            outbox.open(shares_memory=response.shares_memory)
                            # What is done and what is mixed with must stay the same, should the stream have to go on.
                            spec.policy_name = response.policy_name or spec.policy_name
                            spec.pool = response.pool or spec.pool
                            for result in response.results:
                                unpacked = outbox.answered(result)
                                tries.progress()
                                yield _to_augmented(unpacked, return_errors)
                except BROKEN as broken:
                    error = broken
                finally:
                    outbox.open()
        finally:
            outbox.close()


class Augmentation(Blocking[AsyncAugmentation]):
    """The augmentation service; methods as in `AsyncAugmentation`, without await."""

    augment = blocking(AsyncAugmentation.augment)
    augment_records = blocking(AsyncAugmentation.augment_records)
    iter_augmented = blocking_iterator(AsyncAugmentation.iter_augmented)
    preview = blocking(AsyncAugmentation.preview)
    list_operations = blocking(AsyncAugmentation.list_operations)
    list_ready_made_policies = blocking(AsyncAugmentation.list_ready_made_policies)
    resolve_policy = blocking(AsyncAugmentation.resolve_policy)
    save_policy = blocking(AsyncAugmentation.save_policy)
    create_augmentation_job = blocking(AsyncAugmentation.create_augmentation_job)
    get_lineage = blocking(AsyncAugmentation.get_lineage)


def _each_box(
    convert: Callable[..., np.ndarray], boxes: Sequence[Any], box_format: str, sizes: Sequence[tuple[int, int]]
) -> list[np.ndarray]:
    return [convert(each, box_format, size) for each, size in zip(boxes, sizes, strict=True)]


def _to_augmented(result: Result, return_errors: bool) -> Augmented:
    told = result.error
    if told is not None:
        metadata = {**told.metadata, "index": str(result.index)}
        error = rebuild(told.reason, f"record {result.index}: {told.message}", metadata)
        if not return_errors:
            raise error
        return Augmented(result.index, {}, error)
    return Augmented(result.index, {tensor.name: from_tensor(tensor) for tensor in result.arrays})


def _stacked(results: Sequence[np.ndarray], images: np.ndarray) -> np.ndarray:
    """Returns results as one array, as the images came."""
    shapes = {result.shape for result in results}
    if len(shapes) > 1:
        sizes = ", ".join(f"{height} x {width}" for height, width, *_ in sorted(shapes)[:3])
        raise InvalidField("images", f"one array, whose results differ in size ({sizes})", "a list of images")
    stacked = np.stack(results) if results else np.empty((0, *images.shape[1:]), images.dtype)
    return stacked.reshape(*stacked.shape[:3]) if images.ndim == 3 else stacked
