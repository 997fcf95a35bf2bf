// Lists the models of a catalog, streams samples of one of them, and prints what arrived as JSON.

import { createHash } from "node:crypto";
import { parseArgs } from "node:util";
import grpc from "@grpc/grpc-js";
import { labelsOf, listModels, streamSamples } from "./sampling.js";
import { callOnce, CatalogService, connect, SamplingService } from "./stubs.js";

const USAGE =
  "node sample.js --model NAME [--count 10000] [--seed 0] [--start 0] " +
  "[--catalog 127.0.0.1:50051] [--sampling 127.0.0.1:50054]";

function parseOptions() {
  const { values } = parseArgs({
    options: {
      catalog: { type: "string", default: "127.0.0.1:50051" },
      sampling: { type: "string", default: "127.0.0.1:50054" },
      model: { type: "string" },
      count: { type: "string", default: "10000" },
      seed: { type: "string", default: "0" },
      start: { type: "string", default: "0" },
    },
  });
  if (values.model === undefined) throw new TypeError("--model is missing");
  for (const name of ["count", "seed", "start"]) {
    if (!/^\d+$/.test(values[name])) throw new TypeError(`--${name}: got "${values[name]}", allowed: whole numbers from 0`);
  }
  return { ...values, count: Number(values.count), start: Number(values.start) };
}

/** Reads the stream to its end and returns what it held, without keeping the samples. */
async function summarise(chunks, labels) {
  const summary = { model_digest: null, count: 0, first_index: null, last_index: null, label_counts: {}, sha256: {} };
  const hashes = new Map();
  for await (const chunk of chunks) {
    summary.model_digest ??= chunk.model_digest;
    summary.first_index ??= chunk.first_index;
    summary.last_index = chunk.first_index + chunk.count - 1;
    summary.count += chunk.count;
    for (const position of labelsOf(chunk)) {
      const label = labels[position];
      summary.label_counts[label] = (summary.label_counts[label] ?? 0) + 1;
    }
    for (const { name, data } of chunk.batch.columns) {
      if (!hashes.has(name)) hashes.set(name, createHash("sha256"));
      hashes.get(name).update(data);
    }
  }
  for (const [name, hash] of hashes) summary.sha256[name] = hash.digest("hex");
  return summary;
}

async function run(options) {
  const catalog = connect(CatalogService, options.catalog);
  const sampling = connect(SamplingService, options.sampling);
  try {
    const models = await listModels(catalog);
    // From here on the version, so that a model published meanwhile cannot get in between.
    const model = await callOnce(catalog, "GetModel", { name: options.model });
    const chunks = streamSamples(sampling, {
      model: model.name,
      seed: options.seed,
      start_index: options.start,
      count: options.count,
    });
    const summary = await summarise(chunks, model.labels);
    return { models: models.map(({ name }) => name), model: model.name, ...summary };
  } finally {
    catalog.close();
    sampling.close();
  }
}

async function main() {
  let options;
  try {
    options = parseOptions();
  } catch (error) {
    console.error(`${error.message}\nUsage: ${USAGE}`);
    return 2;
  }
  try {
    console.log(JSON.stringify(await run(options), null, 2));
    return 0;
  } catch (error) {
    if (error.code === undefined) throw error;
    console.error(`${grpc.status[error.code]}: ${error.details}`);
    return 1;
  }
}

process.exitCode = await main();
