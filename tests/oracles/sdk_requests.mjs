// The requests of the AWS JavaScript SDK for the calls that captured requests of ours stand for, and their signatures over
// ours. Standard input: {modules, modelId, region, credentials, requests: [{operation, url, method, path, headers, body}]};
// standard output: a list of {method, path, headers, body, authorization} in the same order.
import { createHash, createHmac } from "node:crypto";
import { createRequire } from "node:module";
import { text } from "node:stream/consumers";

const input = JSON.parse(await text(process.stdin));
const require = createRequire(input.modules + "/");
const bedrock = require("@aws-sdk/client-bedrock-runtime");
const { SignatureV4 } = require("@smithy/signature-v4");

const commands = {
  converse: bedrock.ConverseCommand,
  "converse-stream": bedrock.ConverseStreamCommand,
  invoke: bedrock.InvokeModelCommand,
  "invoke-with-response-stream": bedrock.InvokeModelWithResponseStreamCommand,
};

class Sha256 {
  constructor(secret) {
    this.hash = secret ? createHmac("sha256", secret) : createHash("sha256");
  }
  update(data) {
    this.hash.update(data);
  }
  async digest() {
    return new Uint8Array(this.hash.digest());
  }
}

// The SDK wants bytes where the wire has base64. `json` and `input` hold what is the application's.
function withBytes(value, name) {
  if (name === "bytes" || name === "redactedContent") return new Uint8Array(Buffer.from(value, "base64"));
  if (name === "json" || name === "input" || name === "additionalModelRequestFields") return value;
  if (Array.isArray(value)) return value.map((item) => withBytes(item));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, withBytes(member, key)]));
}

function parameters(ours) {
  if (ours.operation.startsWith("converse")) return { modelId: input.modelId, ...withBytes(JSON.parse(ours.body)) };
  const accept = ours.headers.accept ?? ours.headers["x-amzn-bedrock-accept"];
  return { modelId: input.modelId, body: ours.body, contentType: ours.headers["content-type"], accept };
}

async function sign(ours) {
  const names = /SignedHeaders=([^,]*)/.exec(ours.headers.authorization)[1].split(";");
  const added = ["x-amz-date", "x-amz-security-token", "x-amz-content-sha256"];
  const url = new URL(ours.url);
  const signer = new SignatureV4({
    service: "bedrock",
    region: input.region,
    credentials: input.credentials,
    sha256: Sha256,
    applyChecksum: names.includes("x-amz-content-sha256"),
  });
  const request = {
    method: ours.method,
    protocol: url.protocol,
    hostname: url.hostname,
    port: Number(url.port),
    path: ours.path,
    query: {},
    headers: Object.fromEntries(names.filter((name) => !added.includes(name)).map((name) => [name, ours.headers[name]])),
    body: ours.body,
  };
  const [, year, month, day, hour, minute, second] = /(....)(..)(..)T(..)(..)(..)Z/.exec(ours.headers["x-amz-date"]);
  const signingDate = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return (await signer.sign(request, { signingDate })).headers.authorization;
}

const kept = [];
const enough = new Error("enough");
const client = new bedrock.BedrockRuntimeClient({
  region: input.region,
  credentials: input.credentials,
  endpoint: input.requests[0].url,
  maxAttempts: 1,
  requestHandler: {
    handle: async (request) => {
      kept.push(request);
      throw enough;
    },
  },
});

const out = [];
for (const ours of input.requests) {
  try {
    await client.send(new commands[ours.operation](parameters(ours)));
  } catch (error) {
    if (error !== enough) throw error;
  }
  const theirs = kept.pop();
  const body = typeof theirs.body === "string" ? theirs.body : Buffer.from(theirs.body).toString();
  out.push({ method: theirs.method, path: theirs.path, headers: theirs.headers, body, authorization: await sign(ours) });
}
process.stdout.write(JSON.stringify(out));
