// What a program usually wants from the services, in terms of whole lists and whole ranges.

import { setTimeout as sleep } from "node:timers/promises";
import grpc from "@grpc/grpc-js";
import { callOnce } from "./stubs.js";

const MAX_RETRIES = 5;
const PAUSE_MS = 500;
const LABEL_BYTES = 8;

/** Returns all model versions of a catalog, the newest first. */
export async function listModels(catalog) {
  const models = [];
  let pageToken = "";
  do {
    const page = await callOnce(catalog, "ListModels", { page_token: pageToken });
    models.push(...page.models);
    pageToken = page.next_page_token;
  } while (pageToken !== "");
  return models;
}

/**
 * Yields the chunks of samples [start_index, start_index + count), in order and without a gap.
 * A stream that breaks is asked for again from the first sample that has not arrived: a sample's index is its address.
 */
export async function* streamSamples(sampling, request) {
  const end = request.start_index + request.count;
  let next = request.start_index;
  let failures = 0;
  while (next < end) {
    try {
      for await (const chunk of sampling.StreamSamples({ ...request, start_index: next, count: end - next })) {
        next = chunk.first_index + chunk.count;
        failures = 0;
        yield chunk;
      }
      if (next < end) throw new Error(`the stream ended at index ${next}, before ${end}`);
    } catch (error) {
      failures += 1;
      if (error.code !== grpc.status.UNAVAILABLE || failures > MAX_RETRIES) throw error;
      await sleep(PAUSE_MS);
    }
  }
}

/** Returns the labels of a chunk as positions in `Model.labels`, or none if the model has no labels. */
export function labelsOf(chunk) {
  const column = chunk.batch.columns.find(({ name }) => name === "label");
  if (column === undefined) return [];
  return Array.from({ length: chunk.count }, (_, row) => Number(column.data.readBigInt64LE(row * LABEL_BYTES)));
}
