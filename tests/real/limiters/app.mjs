// The limiters of Node, each as its documentation sets it up, keyed by the API key.
// LIMITER names one; KEYS lists the keys that are let in, LIMIT and WINDOW (in seconds)
// are its promise. Prints the port it listens on.

const keys = new Set(process.env.KEYS.split(","));
const limit = Number(process.env.LIMIT);
const seconds = Number(process.env.WINDOW);
const name = process.env.LIMITER;

async function withExpress(limiter) {
  const { default: express } = await import("express");
  const app = express();
  app.disable("x-powered-by");
  app.use((request, response, next) =>
    keys.has(request.get("x-api-key")) ? next() : response.status(401).json({}),
  );
  app.use(limiter);
  app.get("/items", (request, response) => response.json({ items: [] }));
  const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port));
}

async function expressRateLimit(headers) {
  const { rateLimit } = await import("express-rate-limit");
  return rateLimit({
    windowMs: seconds * 1000,
    limit,
    keyGenerator: (request) => request.get("x-api-key"),
    ...headers,
  });
}

async function flexible() {
  const { RateLimiterMemory } = await import("rate-limiter-flexible");
  const limiter = new RateLimiterMemory({ points: limit, duration: seconds });
  const told = (response, result) =>
    response.set({
      "Retry-After": result.msBeforeNext / 1000,
      "X-RateLimit-Limit": limit,
      "X-RateLimit-Remaining": result.remainingPoints,
      "X-RateLimit-Reset": Math.ceil((Date.now() + result.msBeforeNext) / 1000),
    });
  return (request, response, next) =>
    limiter
      .consume(request.get("x-api-key"))
      .then((result) => (told(response, result), next()))
      .catch((result) => (told(response, result), response.status(429).json({})));
}

async function withFastify() {
  const { default: fastify } = await import("fastify");
  const { default: plugin } = await import("@fastify/rate-limit");
  const app = fastify();
  app.addHook("onRequest", async (request, reply) => {
    if (!keys.has(request.headers["x-api-key"])) return reply.code(401).send({});
  });
  await app.register(plugin, {
    max: limit,
    timeWindow: seconds * 1000,
    keyGenerator: (request) => request.headers["x-api-key"],
  });
  app.get("/items", async () => ({ items: [] }));
  await app.listen({ port: 0, host: "127.0.0.1" });
  console.log(app.server.address().port);
}

switch (name) {
  case "fastify":
    await withFastify();
    break;
  case "flexible":
    await withExpress(await flexible());
    break;
  case "legacy":
    await withExpress(
      await expressRateLimit({ legacyHeaders: true, standardHeaders: false }),
    );
    break;
  default: // draft-6, draft-7, draft-8
    await withExpress(
      await expressRateLimit({ legacyHeaders: false, standardHeaders: name }),
    );
}
