// drawdown from Node: record usage exactly once, check, reserve and settle, watch a balance.
//
//   npm install && node example.js HOST:PORT PATH-TO-PROTO-FOLDER
//
// The account, its meter and its credits must exist; see README.md beside this file.
"use strict";

const crypto = require("node:crypto");
const path = require("node:path");
const grpc = require("@grpc/grpc-js");
const protoLoader = require("@grpc/proto-loader");

const [target = "localhost:7070", protos = path.join(__dirname, "../../../proto")] = process.argv.slice(2);
const ACCOUNT = "acme";
const METER = "calls";

// Integers of 64 bits stay text: a JavaScript number would lose credits.
const OPTIONS = { keepCase: true, longs: String, enums: String, defaults: true, includeDirs: [protos] };

function client(file, service) {
  const definition = protoLoader.loadSync(`drawdown/v1/${file}.proto`, OPTIONS);
  const Service = grpc.loadPackageDefinition(definition).drawdown.v1[service];
  return new Service(target, grpc.credentials.createInsecure());
}

function call(stub, method, request) {
  return new Promise((resolve, reject) => {
    const deadline = new Date(Date.now() + 10_000);
    stub[method](request, { deadline }, (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

// A failure of these may or may not have been applied: the same bytes again are safe, the ids decide.
const RETRYABLE = new Set([grpc.status.UNAVAILABLE, grpc.status.DEADLINE_EXCEEDED, grpc.status.RESOURCE_EXHAUSTED]);

async function retried(stub, method, request) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await call(stub, method, request);
    } catch (error) {
      if (!RETRYABLE.has(error.code) || attempt === 5) throw error;
      await new Promise((done) => setTimeout(done, Math.random() * 100 * 2 ** attempt));
    }
  }
}

async function main() {
  const usage = client("usage", "UsageService");
  const entitlement = client("entitlement", "EntitlementService");
  const accounts = client("account", "AccountService");

  const check = await call(entitlement, "Check", { account_id: ACCOUNT, meter: METER, quantity: "3" });
  console.log(`check: ${check.allowed ? "allowed" : check.reason}, ${check.units} units left`);

  // The id and the time are chosen once and repeated on every retry: exactly once, whatever happens.
  const batch = {
    batch_id: "1",
    detail: "RESULT_DETAIL_ALL",
    events: [{ event_id: crypto.randomUUID(), account_id: ACCOUNT, meter: METER, quantity: "3",
               time_us: String(Date.now() * 1000) }],
  };
  const first = await retried(usage, "RecordUsage", batch);
  const again = await retried(usage, "RecordUsage", batch);
  console.log(`record: applied ${first.applied}; the same again: duplicates ${again.duplicates}`);

  // The first message is the state there is; what follows each other quickly may come as one change.
  const watch = accounts.WatchBalances({ account_ids: [ACCOUNT], credit_type: "credits" });
  watch.on("error", () => {});
  const states = watch[Symbol.asyncIterator]();

  const reservation_id = crypto.randomUUID();
  const hold = await retried(entitlement, "Reserve",
    { account_id: ACCOUNT, reservation_id, meter: METER, quantity: "5", ttl: { seconds: "60" } });
  console.log(`reserve: ${hold.status}, held ${hold.held}`);
  const end = await retried(entitlement, "Settle", { account_id: ACCOUNT, reservation_id, quantity: "2" });
  console.log(`settle: charged ${end.charged}, returned ${end.returned}, available ${end.available}`);

  let state;
  do {
    ({ value: state } = await states.next());
    if (!state) throw new Error("the watch ended early");
  } while (BigInt(state.seq) < BigInt(end.seq));
  watch.cancel();
  console.log(`watched: ends at ${state.balances[0].available}`);
  for (const stub of [usage, entitlement, accounts]) stub.close();
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
