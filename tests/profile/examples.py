"""Profiles that the tests read and spoil."""

FULL = """\
#:schema profile.schema.json
name = "Sparkient API, staging"

[target]
base_url = "https://staging.example.com/v1"
http_url = "http://staging.example.com/v1"
replicas = ["https://10-0-0-1.example.com"]
environment = "staging"
openapi = "openapi.json"
public = ["GET /health", "GET /docs/*"]
exclude = ["DELETE /danger"]
read_only = ["POST /api/v1/decide"]
timeout = 10.0
proxy = "http://proxy:3128"

[target.path_parameters]
decision_id = "dec_123"
version = 7
"GET /things/{id}" = { id = "8c0a6c5e-95ef-4bcd-9a0f-9c0f0bb1a3c1" }

[target.tls]
ca = "ca.pem"
certificate = "client.pem"
key = { file = "client.key" }
verify = true

[[target.operations]]
method = "POST"
path = "/api/v1/decide"
body = { decision_type = "demo", input = { text = "hello" } }
query = { page = 1 }
headers = { X-Trace = "1" }
public = false

[[target.operations]]
method = "PUT"
path = "/notes"
body_text = "hello"
content_type = "text/plain"

[identities.alpha]
kind = "api_key"
header = "Authorization"
scheme = "Bearer"
key = { env = "SPARKIENT_KEY_ALPHA" }
organisation = "acme"
state = "live"
grants = ["*", "!GET /admin/*"]
limit = { requests = 600, window = 60 }
owns = { decision_id = "dec_123" }
purpose = ["control"]

[identities.tok]
kind = "token"
token = { command = ["vault", "read", "-field=token"] }

[identities.svc]
kind = "oauth"
client_id = { env = "CLIENT_ID" }
client_secret = { env = "CLIENT_SECRET" }
token_url = "https://login.example.com/token"
scope = ["read"]
auth_method = "client_secret_basic"

[identities.machine]
kind = "oauth"
credentials = { file = "client.json" }

[identities.user]
kind = "firebase"
id_token = { env = "ID_TOKEN" }
signing_key = { file = "test-issuer.pem" }
subject = "user-1"
claims = { email = "a@example.com" }

[identities.nobody]
kind = "open"

[promises]
challenge = "Bearer"
realm = "sparkient"
refusal = { unauthenticated = 401, forbidden = 403, not_owned = 404 }
doubled_header = "refuse"

[promises.errors]
content_type = "application/json"
code = "/error/code"
message = "/error/message"
codes = { 401 = ["unauthorized"], 429 = ["rate_limited"] }
statuses = [400, 401, 415]

[promises.errors.schema]
type = "object"
required = ["error"]

[[promises.headers]]
name = "X-Request-Id"
on = ["all"]
value = '^[0-9a-f-]{36}$'
rule = "required"

[promises.transport]
hsts = true
cors = false

[promises.rate_limit]
limit = 600
window = 60
per = "key"
algorithm = "fixed_window"
any_window = false
burst = 600
tolerance = 0.0
counts = { errors = true, rejected = false, methods = ["*"] }
status = 429
failed_authentications = { limit = 20, window = 60, per = "address" }

[[promises.rate_limit.policies]]
limit = 10
window = 1

[promises.rate_limit.headers]
limit = "X-RateLimit-Limit"
remaining = "X-RateLimit-Remaining"
reset = "X-RateLimit-Reset"
reset_form = "unix_seconds"
on = ["authenticated"]
exactly = true
retry_after = "delay_seconds"
retry_after_on_success = false
ietf = ""

[promises.keys]
format = '^sk_live_[A-Za-z0-9]{32,}$'
prefix = "sk_live_"
entropy_bits = 128
masked = '^sk_live_\\*+[A-Za-z0-9]{4}$'

[promises.rotation]
overlap = true
active_within = 1.0
revoked_within = 1
stays_revoked_for = 5.0

[promises.tokens]
issuer = "https://securetoken.google.com/demo"
audience = "demo"
algorithms = ["RS256"]
jwks = "https://login.example.com/keys"
max_age = 3600
first_login_provisions = { operation = "GET /api/v1/me", pointer = "/user/id" }
emulator = false

[promises.oauth]
token_url = "https://login.example.com/token"
expires_in = 300
scopes = ["read"]
revoked_within = 5.0

[promises.secrets]
at_rest = "hmac-sha256"

[lifecycle]
by = "alpha"

[lifecycle.create]
method = "POST"
path = "/api/v1/keys"
body = { name = "tollproof" }
key = "/key"
id = "/id"

[lifecycle.list]
method = "GET"
path = "/api/v1/keys"
items = "/keys"
shown = "/masked"

[lifecycle.revoke]
method = "DELETE"
path = "/api/v1/keys/{id}"

[client_lifecycle]
by = "alpha"

[client_lifecycle.create]
method = "POST"
path = "/oauth/clients"
body = { client_name = "tollproof" }
id = "/client_id"
secret = "/client_secret"

[client_lifecycle.revoke]
method = "DELETE"
path = "/oauth/clients/{id}"

[places]
logs = [{ file = "server.log" }, { command = ["docker", "logs", "api"] }]
stores = [{ sqlite = "keys.db" }, { dump = "dump.sql" }]
pages = ["/", "/dashboard"]
source = ["src"]

[consent]
writes = true
load = true
key_lifecycle = true

[consent.budget]
requests = 5000
audit_requests = 50000
per_second = 0
concurrency = 8
seconds = 300

[[waivers]]
check = "headers.hsts"
subject = "*"
reason = "TLS ends at the load balancer"
owner = "jane@example.com"
expires = 2027-01-31

[[waivers]]
check = "headers.nosniff"
reason = "being rolled out"
owner = "jane@example.com"
expires = 2027-01-31
"""

LEAST = """\
name = "demo"
[target]
base_url = "http://127.0.0.1:8600"
openapi = "openapi.json"
"""
