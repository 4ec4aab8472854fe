// Driver for the sample SDK in Node.js: reads JSON lines, writes JSON lines.
import { createInterface } from "node:readline";
import { inspect } from "node:util";
import { Client } from "../sample/client.mjs";

const clients = new Map();
// Whatever the SDK prints goes to standard error; standard output is for replies.
console.log = console.info = console.debug = console.error;

function raised(error) {
  const forms = {
    toString: String(error),
    stack: String(error.stack),
    inspect: inspect(error, { depth: 6 }),
    toJSON: JSON.stringify(error) ?? "",
  };
  return { ok: false, error: { type: error.constructor.name, forms } };
}

async function attempt(client) {
  try {
    await client.call();
    return { ok: true };
  } catch (error) {
    return raised(error);
  }
}

function shown(client) {
  const read = {
    api_key: client.apiKey,
    token: client.token,
    client_secret: client.clientSecret,
  };
  return {
    read: Object.fromEntries(Object.entries(read).filter(([, value]) => value)),
    printed: { "String(client)": String(client) },
    inspected: { "inspect(client)": inspect(client, { depth: 6, showHidden: true }) },
    serialised: { "JSON.stringify(client)": JSON.stringify(client) },
  };
}

function create(options) {
  return new Client({
    baseUrl: options.base_url,
    apiKey: options.api_key,
    token: options.token,
    clientId: options.client_id,
    clientSecret: options.client_secret,
    maxRetries: options.max_retries,
  });
}

async function perform(asked) {
  const client = clients.get(asked.client);
  switch (asked.do) {
    case "hello":
      return { ok: true, sdk: "sample 1.0 (Node.js)", protocol: 1 };
    case "create":
      clients.set(asked.client, create(asked.options));
      return { ok: true };
    case "call":
      return attempt(client);
    case "burst": {
      const calls = Array.from({ length: asked.count }, () => attempt(client));
      const done = await Promise.all(calls);
      return { ok: true, succeeded: done.filter((one) => one.ok).length };
    }
    case "show":
      return { ok: true, shown: shown(client) };
    case "refresh":
      await client.refresh();
      return { ok: true };
    case "copy":
      clients.set(asked.client, clients.get(asked.source).copy());
      return { ok: true };
    default:
      return { ok: true };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  const reply = await perform(asked).catch(raised);
  process.stdout.write(JSON.stringify({ id: asked.id, ...reply }) + "\n");
  if (asked.do === "quit") break;
}
process.exit(0);
