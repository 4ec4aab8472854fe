// A token endpoint that grants to anybody, npm oauth2-mock-server, and one operation
// that takes its tokens. Run with node, where it is installed. Prints its URL.
import http from "node:http";
import { createPublicKey, verify } from "node:crypto";
import { OAuth2Server } from "oauth2-mock-server";

const mock = new OAuth2Server();
await mock.issuer.keys.generate("RS256");
await mock.start(0, "127.0.0.1");
const port = mock.address().port;
const jwks = await (await fetch(`http://127.0.0.1:${port}/jwks`)).json();

function claimsOf(token) {
  const [header, payload, signature] = token.split(".");
  const { alg, kid } = JSON.parse(Buffer.from(header, "base64url"));
  const jwk = jwks.keys.find((key) => key.kid === kid);
  const data = Buffer.from(`${header}.${payload}`);
  const key = createPublicKey({ key: jwk, format: "jwk" });
  const right = verify("sha256", data, key, Buffer.from(signature, "base64url"));
  const claims = JSON.parse(Buffer.from(payload, "base64url"));
  if (alg !== "RS256" || !right || claims.exp <= Date.now() / 1000) throw new Error();
  return claims;
}

const api = http.createServer((request, response) => {
  let status = 401;
  try {
    const [scheme, token] = (request.headers.authorization ?? "").split(" ");
    if (scheme.toLowerCase() === "bearer" && claimsOf(token)) status = 200;
  } catch {
    status = 401;
  }
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(JSON.stringify({ status }));
});
api.listen(0, "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${api.address().port} http://127.0.0.1:${port}/token`);
});
