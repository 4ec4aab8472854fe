// A client SDK of an imaginary platform for Node.js and browsers: small, and right
// unless told not to. It shows that the driver protocol is not Python's, and it has the
// guard that a browser build needs. Standard fetch only. Do not use it: it is a target.

const KEY_HEADER = "X-Sample-Key";
const TOKEN_PATH = "/oauth/token";
const RETRIES = 2;
const MARGIN = 0.2; // seconds before its expiry from which a token is not used

export class SampleError extends Error {
  constructor(message, status = 0) {
    super(message);
    this.name = "SampleError";
    this.status = status;
  }
  toJSON() {
    return { name: this.name, message: this.message, status: this.status };
  }
}

const inBrowser = () =>
  typeof window !== "undefined" && typeof document !== "undefined";
const mask = (value) =>
  value ? "****" + (value.length >= 12 ? value.slice(-4) : "") : undefined;
const sleep = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));
const now = () => performance.now() / 1000;

/** What counts: the arguments, or the environment where there are none. */
function resolve(given) {
  const environment = globalThis.process?.env ?? {};
  const found = {
    apiKey: environment.SAMPLE_API_KEY,
    token: environment.SAMPLE_TOKEN,
    clientId: environment.SAMPLE_CLIENT_ID,
    clientSecret: environment.SAMPLE_CLIENT_SECRET,
  };
  const argued = given.apiKey || given.token || given.clientId;
  const chosen = argued ? given : found;
  return { ...chosen, baseUrl: given.baseUrl ?? environment.SAMPLE_BASE_URL };
}

export class Client {
  #key;
  #token;
  #id;
  #secret;
  #given;
  #access;
  #granting;
  #faults;

  constructor(given = {}, faults = []) {
    const found = resolve(given);
    this.#faults = new Set(faults);
    this.#given = { ...given, ...found };
    this.#key = found.apiKey;
    this.#token = found.token?.trim().replace(/^bearer +/i, "");
    this.#id = found.clientId;
    this.#secret = found.clientSecret;
    this.baseUrl = found.baseUrl;
    this.retries = given.maxRetries ?? RETRIES;
    if (!this.baseUrl) throw new SampleError("there is no base URL");
    if (!this.#key && !this.#token && !this.#id)
      throw new SampleError("there is no credential");
    this.#guard(given.allowBrowser);
  }

  #guard(allowed) {
    if (!inBrowser() || this.#faults.has("sdk-browser-unguarded")) return;
    const open = this.#key === "open";
    if (open && !this.#faults.has("sdk-browser-open-refused")) return;
    if (open || !allowed || this.#faults.has("sdk-browser-never"))
      throw new SampleError("credentials do not belong into a browser; see allowBrowser");
  }

  get apiKey() {
    return mask(this.#key);
  }
  get token() {
    return mask(this.#token);
  }
  get clientSecret() {
    return mask(this.#secret);
  }
  toString() {
    return `Client at ${this.baseUrl} with ${this.apiKey ?? this.token ?? this.#id}`;
  }
  toJSON() {
    return { baseUrl: this.baseUrl, apiKey: this.apiKey, token: this.token };
  }
  copy() {
    return new Client(this.#given, [...this.#faults]);
  }

  async #credential() {
    if (this.#key === "open") return {};
    if (this.#key) return { [KEY_HEADER]: this.#key };
    if (this.#token) return { Authorization: `Bearer ${this.#token}` };
    return { Authorization: `Bearer ${await this.#accessToken()}` };
  }

  async #accessToken() {
    if (!this.#access || now() >= this.#access.until - MARGIN) await this.refresh();
    return this.#access.value;
  }

  /** Fetch another access token; whoever asks meanwhile waits for the same one. */
  async refresh() {
    this.#granting ??= this.#grant().finally(() => (this.#granting = undefined));
    this.#access = await this.#granting;
  }

  async #grant() {
    const asked = now();
    const body = new URLSearchParams({
      grant_type: "client_credentials",
      client_id: this.#id,
      client_secret: this.#secret,
    });
    const response = await this.#send(TOKEN_PATH, { method: "POST", body });
    if (response.status !== 200)
      throw new SampleError("no access token is granted", response.status);
    const document = await response.json();
    return { value: document.access_token, until: asked + document.expires_in };
  }

  async call() {
    let renewed = false;
    for (let attempts = 0; ; ) {
      const headers = await this.#credential();
      const response = await this.#send("/api/v1/things", { headers });
      const { status } = response;
      const oauth = !this.#key && !this.#token;
      if (status === 401 && oauth && !renewed) {
        renewed = true;
        if (headers.Authorization.endsWith(this.#access.value)) await this.refresh();
      } else if ([0, 429, 503].includes(status) && attempts < this.retries) {
        await sleep(pause(response, attempts));
        attempts += 1;
      } else if (status < 200 || status >= 300) {
        throw new SampleError(`the call was answered ${status}`, status);
      } else {
        return response.json();
      }
    }
  }

  async #send(path, options) {
    try {
      return await fetch(this.baseUrl + path, { ...options, redirect: "manual" });
    } catch {
      return { status: 0, headers: new Headers() };
    }
  }
}

function pause(response, attempts) {
  const told = response.headers.get("retry-after") ?? "";
  if (/^\d+$/.test(told)) return Number(told) + 0.005;
  if (told) return Math.max(0, (Date.parse(told) - Date.now()) / 1000) + 0.01;
  return Math.min(0.02 * (attempts + 1), 0.1);
}
