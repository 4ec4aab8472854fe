// What a page does with the sample SDK: see docs/how-to/write-a-driver.md.
import { Client } from "./client.mjs";

export function create(options) {
  return new Client(
    {
      baseUrl: options.base_url,
      apiKey: options.api_key,
      allowBrowser: options.allow_browser,
    },
    options.faults ?? [],
  );
}

export const call = (client) => client.call();
