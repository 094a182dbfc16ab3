// The AWS SDK for JavaScript v3, found where this runs. Reads and answers as scripts/answering.py does.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { performance } from "node:perf_hooks";

const require = createRequire(process.cwd() + "/");
const { RekognitionClient, CompareFacesCommand } = require("@aws-sdk/client-rekognition");
const say = (members) => process.stdout.write(JSON.stringify(members) + "\n");
const sessions = new Map();

function make(asked) {
  const fixed = { accessKeyId: "unused", secretAccessKey: "unused", sessionToken: asked.token };
  // Without a token of the call's own it is fetched where the environment says.
  const credentials = asked.token ? { credentials: fixed } : {};
  return new RekognitionClient({ endpoint: asked.endpoint, region: "us-east-1", ...credentials });
}

async function call(client, asked) {
  const [SourceImage, TargetImage] = [asked.source, asked.target].map((file) => ({ Bytes: readFileSync(file) }));
  const began = performance.now();
  const seconds = () => (performance.now() - began) / 1000;
  try {
    const answer = await client.send(new CompareFacesCommand({ SourceImage, TargetImage }));
    const says = answer.FaceMatches[0].Similarity.toFixed(1);
    say({ kind: "", code: "", status: 200, says, seconds: seconds() });
  } catch (error) {
    const { name, message, $metadata = {} } = error;
    const kind = error.constructor.name;
    say({ kind, code: name, status: $metadata.httpStatusCode ?? 0, says: message, seconds: seconds() });
  }
}

say({ version: require("@aws-sdk/client-rekognition/package.json").version });
for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  if (!sessions.has(asked.session)) sessions.set(asked.session, make(asked));
  await call(sessions.get(asked.session), asked);
}
