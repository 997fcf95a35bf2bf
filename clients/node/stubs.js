// Clients for Synthmill's services, made from the protos alone.

import { fileURLToPath } from "node:url";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const PROTOS = fileURLToPath(new URL("../../protos", import.meta.url));
const SERVICES = ["catalog", "training", "sampling", "job"].map((name) => `synthmill/v1/${name}_service.proto`);

const definition = protoLoader.loadSync(SERVICES, {
  includeDirs: [PROTOS],
  keepCase: true,
  // Indices stay below 2^48, so a number holds them; a seed may not, and is passed in as a string.
  longs: Number,
  enums: String,
  defaults: true,
  oneofs: true,
});

export const { CatalogService, TrainingService, SamplingService, JobService } =
  grpc.loadPackageDefinition(definition).synthmill.v1;

/** Opens a client of one of the services above at "host:port". */
export function connect(Service, address) {
  return new Service(address, grpc.credentials.createInsecure());
}

/** Calls a method that returns one message; rejects with an error that has gRPC's `code` and `details`. */
export function callOnce(client, method, request, timeoutMs = 30_000) {
  return new Promise((resolve, reject) => {
    client[method](request, { deadline: Date.now() + timeoutMs }, (error, response) =>
      error ? reject(error) : resolve(response),
    );
  });
}
