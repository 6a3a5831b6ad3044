// Starts a Node.js function: the Runtime API's loop, with AWS's errors, log lines and context object.
// `_HANDLER`, `LAMBDA_TASK_ROOT` and `AWS_LAMBDA_RUNTIME_API` come in the environment.

import { existsSync, writeSync } from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import path from "node:path";
import { PassThrough } from "node:stream";
import { pathToFileURL } from "node:url";
import { format } from "node:util";

const env = process.env;
const [host, port] = env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const telemetry = Number(env._LAMBDA_TELEMETRY_LOG_FD);
delete env._LAMBDA_TELEMETRY_LOG_FD;
const asJson = env.AWS_LAMBDA_LOG_FORMAT === "JSON";
const LEVELS = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
const least = Math.max(0, LEVELS.indexOf(env.AWS_LAMBDA_LOG_LEVEL ?? "TRACE"));
const STREAMING = Symbol("streaming handler");
let requestId;

class Fault extends Error {
  constructor(name, message) {
    super(message);
    this.name = name;
  }
}

function request(method, target, headers = {}, body = undefined) {
  return new Promise((resolve, reject) => {
    const options = { host, port, agent, method, path: `/2018-06-01/runtime/${target}`, headers };
    const sent = http.request(options, (response) => {
      const pieces = [];
      response.on("data", (piece) => pieces.push(piece));
      response.on("end", () => resolve({ headers: response.headers, body: Buffer.concat(pieces).toString() }));
      response.on("error", reject);
    });
    sent.on("error", reject);
    if (body?.pipe) body.pipe(sent);
    else sent.end(body);
  });
}

function writeEntry(text) {
  // one frame, so that an entry of many lines stays one
  const data = Buffer.from(text);
  const head = Buffer.alloc(16);
  head.writeUInt32BE(0xa55a0003, 0);
  head.writeUInt32BE(data.length, 4);
  head.writeBigUInt64BE(BigInt(Date.now()) * 1000n, 8);
  let rest = Buffer.concat([head, data]);
  while (rest.length) {
    try {
      rest = rest.subarray(writeSync(telemetry, rest));
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}

function log(level, args) {
  if (LEVELS.indexOf(level) < least) return;
  const timestamp = new Date().toISOString();
  if (asJson) {
    const message = args.length === 1 && typeof args[0] === "object" ? args[0] : format(...args);
    writeEntry(JSON.stringify({ timestamp, level, requestId, message }) + "\n");
  } else {
    writeEntry(`${timestamp}\t${requestId ?? "undefined"}\t${level}\t${format(...args)}\n`);
  }
}

for (const [name, level] of [["log", "INFO"], ["info", "INFO"], ["debug", "DEBUG"], ["warn", "WARN"], ["error", "ERROR"], ["trace", "TRACE"]]) {
  console[name] = (...args) => log(level, args);
}

function describe(error) {
  if (!(error instanceof Error)) return { errorType: typeof error, errorMessage: String(error), trace: [] };
  return { errorType: error.name, errorMessage: error.message, trace: (error.stack ?? "").split("\n") };
}

async function fail(target, error, label) {
  const described = describe(error);
  if (asJson) log("ERROR", [described]);
  else writeEntry(`${new Date().toISOString()}\t${requestId ?? "undefined"}\tERROR\t${label}\t${JSON.stringify(described)}\n`);
  const headers = { "Content-Type": "application/json", "Lambda-Runtime-Function-Error-Type": described.errorType };
  await request("POST", target, headers, JSON.stringify(described));
}

async function load(file) {
  const base = path.resolve(env.LAMBDA_TASK_ROOT, file);
  const found = ["", ".js", ".mjs", ".cjs"].map((end) => base + end).find((each) => path.extname(each) && existsSync(each));
  try {
    if (found === undefined) return createRequire(path.join(env.LAMBDA_TASK_ROOT, "x.js"))(base);
    return await import(pathToFileURL(found));
  } catch (error) {
    if (error instanceof SyntaxError) throw new Fault("Runtime.UserCodeSyntaxError", `SyntaxError: ${error.message}`);
    if (["MODULE_NOT_FOUND", "ERR_MODULE_NOT_FOUND"].includes(error?.code)) {
      throw new Fault("Runtime.ImportModuleError", `Error: ${error.message}`);
    }
    throw error;
  }
}

async function findHandler(name) {
  const match = /^(?<file>.*?[^/.]+)\.(?<names>[^/]+)$/.exec(name);
  if (!match) throw new Fault("Runtime.MalformedHandlerName", "Bad handler");
  const module = await load(match.groups.file);
  const reach = (from) => match.groups.names.split(".").reduce((value, key) => value?.[key], from);
  const handler = reach(module) ?? reach(module.default);
  if (handler === undefined) throw new Fault("Runtime.HandlerNotFound", `${name} is undefined or not exported`);
  if (typeof handler !== "function") throw new Fault("Runtime.HandlerNotFound", `${name} is not a function`);
  return handler;
}

function makeContext(headers, deadline) {
  const json = headers["lambda-runtime-client-context"];
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: json ? JSON.parse(json) : undefined,
    identity: undefined,
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    awsRequestId: requestId,
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
  };
}

function run(handler, event, context) {
  return new Promise((resolve, reject) => {
    const callback = (error, answer) => (error == null ? resolve(answer) : reject(error));
    context.succeed = resolve;
    context.fail = reject;
    context.done = callback;
    process.removeAllListeners("beforeExit");
    process.once("beforeExit", () => resolve(null)); // nothing is left that could answer
    const answer = handler(event, context, callback);
    if (typeof answer?.then === "function") answer.then(resolve, reject);
  });
}

async function respond(handler, event, context) {
  const target = `invocation/${requestId}/response`;
  if (!handler[STREAMING]) {
    const answer = JSON.stringify((await run(handler, event, context)) ?? null) ?? "null";
    return request("POST", target, { "Content-Type": "application/json" }, answer);
  }
  return streamAnswer(target, (stream) => handler(event, stream, context));
}

async function streamAnswer(target, produce) {
  const stream = new PassThrough();
  const options = { host, port, agent, method: "POST", path: `/2018-06-01/runtime/${target}` };
  let type = "application/octet-stream";
  let sent;
  stream.setContentType = (given) => (type = given);
  const answered = new Promise((resolve, reject) => {
    const begin = () => {
      if (sent) return;
      const headers = {
        "Content-Type": type,
        "Lambda-Runtime-Function-Response-Mode": "streaming",
        "Transfer-Encoding": "chunked",
        Trailer: "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body",
      };
      sent = http.request({ ...options, headers }, (response) => response.resume().on("end", resolve));
      sent.on("error", reject);
    };
    stream.on("data", (piece) => {
      begin();
      if (!sent.write(piece)) {
        stream.pause();
        sent.once("drain", () => stream.resume());
      }
    });
    stream.on("end", () => {
      begin();
      sent.end();
    });
    stream.on("error", reject);
  });
  try {
    await produce(stream);
  } catch (error) {
    if (!sent) throw error;
    const described = describe(error);
    log("ERROR", ["Invoke Error", JSON.stringify(described)]);
    sent.addTrailers({
      "Lambda-Runtime-Function-Error-Type": described.errorType,
      "Lambda-Runtime-Function-Error-Body": Buffer.from(JSON.stringify(described)).toString("base64"),
    });
    sent.end();
    return answered;
  }
  stream.end();
  return answered;
}

function withPrelude(stream, prelude) {
  // status, headers and cookies in front of the body, then eight zero bytes
  stream.setContentType("application/vnd.awslambda.http-integration-response");
  stream.write(JSON.stringify(prelude ?? {}));
  stream.write(Buffer.alloc(8));
  return stream;
}

globalThis.awslambda = {
  streamifyResponse: (handler) => Object.assign(handler, { [STREAMING]: true }),
  HttpResponseStream: { from: withPrelude },
};

for (const [event, name] of [["uncaughtException", undefined], ["unhandledRejection", "Runtime.UnhandledPromiseRejection"]]) {
  process.on(event, async (reason) => {
    const error = name ? Object.assign(new Fault(name, String(reason)), { reason }) : reason;
    await fail(requestId ? `invocation/${requestId}/error` : "init/error", error, "Uncaught Exception");
    process.exit(name ? 128 : 129);
  });
}

let handler;
try {
  handler = await findHandler(env._HANDLER);
} catch (error) {
  await fail("init/error", error, "Uncaught Exception");
  process.exit(1);
}
for (;;) {
  const { headers, body } = await request("GET", "invocation/next");
  requestId = headers["lambda-runtime-aws-request-id"];
  env._X_AMZN_TRACE_ID = headers["lambda-runtime-trace-id"] ?? "";
  try {
    await respond(handler, JSON.parse(body), makeContext(headers, Number(headers["lambda-runtime-deadline-ms"])));
  } catch (error) {
    await fail(`invocation/${requestId}/error`, error, "Invoke Error");
  }
  requestId = undefined;
}
