// A strict token endpoint, npm oidc-provider, and one operation that takes its tokens.
// Run with node, where oidc-provider is installed. Prints its URL.
import http from "node:http";
import Provider from "oidc-provider";

const server = http.createServer();
server.listen(0, "127.0.0.1", () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(url, {
    clients: [
      {
        client_id: "client_svc",
        client_secret: "oidc-provider-secret-91c44a7d",
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
        token_endpoint_auth_method: "client_secret_post",
      },
    ],
    scopes: ["read"],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      registration: { enabled: true, initialAccessToken: "example-initial-token" },
      registrationManagement: { enabled: true },
    },
    ttl: { ClientCredentials: 4 },
  });
  const callback = provider.callback();
  server.on("request", async (request, response) => {
    if (request.url !== "/me") return callback(request, response);
    const [scheme, value] = (request.headers.authorization ?? "").split(" ");
    const found = value && (await provider.ClientCredentials.find(value));
    const live = scheme?.toLowerCase() === "bearer" && found && !found.isExpired;
    const body = JSON.stringify(live ? { client: found.clientId } : { error: "no" });
    response.writeHead(live ? 200 : 401, { "Content-Type": "application/json" });
    response.end(body);
  });
  console.log(url);
});
