// A small orders API as one writes it with Express 5, helmet and express-rate-limit.
//
// Keys come from the environment, as JSON: {"KEY": {"organisation", "limit", "revoked"}}.
// FAULTS names what is broken, by comma; each is a mistake seen in the field. Prints
// the port it listens on.
"use strict";

const crypto = require("node:crypto");
const express = require("express");
const { rateLimit } = require("express-rate-limit");
const helmet = require("helmet");

const keys = new Map(Object.entries(JSON.parse(process.env.KEYS)));
const faults = new Set((process.env.FAULTS ?? "").split(",").filter(Boolean));
const LIMIT = Number(process.env.LIMIT ?? 2000);

class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    Object.assign(this, { status, code });
  }
}

const orders = new Map([["ord_1", { id: "ord_1", item: "paper", quantity: 2 }]]);

function authenticate(req, res, next) {
  const [, key] = /^Bearer ([\x21-\x7e]+)$/i.exec(req.get("Authorization") ?? "") ?? [];
  const account = key && keys.get(key);
  if (!account || account.revoked) {
    res.set("WWW-Authenticate", key ? 'Bearer realm="orders", error="invalid_token"' : 'Bearer realm="orders"');
    throw new ApiError(401, "unauthorized", "Missing or invalid credentials.");
  }
  req.account = account;
  req.keyId = crypto.createHash("sha256").update(key).digest("hex");
  next();
}

const limiter = rateLimit({
  windowMs: 60_000,
  limit: (req) => req.account.limit ?? LIMIT,
  keyGenerator: (req) => req.keyId,
  standardHeaders: "draft-7",
  legacyHeaders: true,
  handler: (req, res, next) =>
    next(new ApiError(429, "rate_limited", "Too many requests; slow down.")),
});

const app = express();
if (!faults.has("powered-by")) {
  app.disable("x-powered-by");
  app.use(helmet());
}

app.get("/health", (req, res) => res.json({ status: "ok" }));

// The report was added in a hurry, above the line that asks for a credential.
if (faults.has("forgotten-middleware")) {
  app.get("/api/orders/report", (req, res) => res.json({ orders: orders.size }));
}

const api = express.Router();
// Guarding a list of exact paths: Express matches routes in any letter case and with a
// slash at the end, the list does not.
const guarded = ["/orders", "/orders/report", "/orders/ord_1"];
api.use((req, res, next) =>
  faults.has("exact-paths") && !guarded.includes(req.path)
    ? next()
    : authenticate(req, res, next));
api.use((req, res, next) => (req.account ? limiter(req, res, next) : next()));
api.use((req, res, next) => {
  res.set("Cache-Control", "no-store");
  next();
});
// JSON.parse with the body in the error page is what a quick error handler shows.
api.use(express.json({ limit: "100kb" }));

api.get("/orders", (req, res) => res.json({ orders: [...orders.values()] }));
api.get("/orders/report", (req, res) => res.json({ orders: orders.size }));
api.get("/orders/:id", (req, res) => {
  const order = orders.get(req.params.id);
  if (!order) throw new ApiError(404, "not_found", "There is no such order.");
  res.json(order);
});
api.post("/orders", (req, res) => {
  const { item, quantity } = req.body ?? {};
  if (typeof item !== "string" || item === "" || item.length > 200) {
    throw new ApiError(422, "invalid", "item must be a text of 1 to 200 characters.");
  }
  if (!Number.isInteger(quantity) || quantity < 1 || quantity > 1000) {
    throw new ApiError(422, "invalid", "quantity must be a whole number from 1 to 1000.");
  }
  res.status(201).json({ id: `ord_${crypto.randomUUID()}`, item, quantity });
});
app.use("/api", api);

if (!faults.has("default-errors")) {
  app.use((req) => {
    throw new ApiError(404, "not_found", `Nothing is served here.`);
  });
  const codes = { 400: "bad_request", 413: "too_large", 415: "unsupported", 404: "not_found" };
  app.use((error, req, res, next) => {
    if (res.headersSent) return next(error);
    const status = error.status ?? 500;
    const known = status < 500;
    res.status(status).json({
      error: {
        code: error instanceof ApiError ? error.code : (codes[status] ?? "internal"),
        message: known ? error.message : "Something went wrong here.",
        ...(faults.has("stack") ? { stack: error.stack } : {}),
      },
    });
  });
}

const server = app.listen(0, "127.0.0.1", () => {
  console.log(server.address().port);
});
