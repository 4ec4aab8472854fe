"""What a profile must not say: added to the least profile, the place, a word."""

# what is added, where it is told, a word of the message or the remedy
REFUSED = [
    ('openapi = "twice"', "", "not TOML"),
    ("timeout = 0", "target.timeout", "more than 0"),
    ('timeout = "10"', "target.timeout", "a number"),
    ("timeout = nan", "target.timeout", "number"),
    ("timeout = true", "target.timeout", "a number"),
    ('http_url = "http://h"', "target.http_url", "base_url is not https"),
    ('proxy = "ftp://h"', "target.proxy", "absolute URL"),
    ('replicas = ["h:80"]', "target.replicas[0]", "absolute URL"),
    ('replicas = ["http://h/?a=1"]', "target.replicas[0]", "query"),
    ('replicas = ["http://h:99999"]', "target.replicas[0]", "absolute URL"),
    ('environment = "stagging"', "target.environment", "did you mean 'staging'"),
    ('public = ["/health"]', "target.public[0]", "METHOD and path"),
    ('public = ["get /health"]', "target.public[0]", "METHOD and path"),
    ('public = ["!GET /health"]', "target.public[0]", "leave the ! out"),
    ('public = "GET /health"', "target.public", "a list"),
    ("path_parameters = { x = true }", "target.path_parameters.x", "text"),
    ("path_parameters = { x = { y = 1 } }", "target.path_parameters.x", "GET /things"),
    ("[target.tls]\nverify = 1", "target.tls.verify", "true or false"),
    ('[target.tls]\nkey = { env = "K" }', "target.tls.key", "not a file"),
    ("[[target.operations]]", "target.operations[0].method", "missing"),
    (
        '[[target.operations]]\nmethod = "GET"\npath = "x"',
        "target.operations[0].path",
        "begin it with /",
    ),
    (
        '[[target.operations]]\nmethod = "GET"\npath = "/x"\n' * 2,
        "target.operations[1]",
        "declared twice",
    ),
    (
        '[[target.operations]]\nmethod = "PUT"\npath = "/x"\nbody = 1\nbody_text = "1"',
        "target.operations[0]",
        "two bodies",
    ),
    (
        '[[target.operations]]\nmethod = "GET"\npath = "/x"\nheaders = { "a b" = "" }',
        'target.operations[0].headers."a b"',
        "header field name",
    ),
    ('[identities.a]\nkind = "api-key"', "identities.a.kind", "did you mean 'api_key'"),
    ('[identities.a]\nkind = "api_key"', "identities.a", "has no key"),
    ('[identities.a]\nkind = "api_key"\nkey = "k"', "identities.a.key", "env = "),
    ('[identities.a]\nkind = "api_key"\nkey = {}', "identities.a.key", "exactly one"),
    (
        '[identities.a]\nkind = "api_key"\nkey = { env = "A", file = "b" }',
        "identities.a.key",
        "exactly one",
    ),
    (
        '[identities.a]\nkind = "api_key"\nkey = { env = "A B" }',
        "identities.a.key",
        "environment variable",
    ),
    (
        '[identities.a]\nkind = "api_key"\nkey = { enw = "A" }',
        "identities.a.key.enw",
        "did you mean env?",
    ),
    (
        '[identities.a]\nkind = "api_key"\nkey = { command = "cat key" }',
        "identities.a.key.command",
        "a list",
    ),
    ('[identities.a]\nkind = "token"', "identities.a", "has no token"),
    ('[identities.a]\nkind = "oauth"', "identities.a", "no client credentials"),
    (
        '[identities.a]\nkind = "oauth"\ncredentials = { file = "c" }',
        "identities.a",
        "token_url",
    ),
    (
        '[identities.a]\nkind = "oauth"\nclient_id = { env = "A" }\n'
        'client_secret = { env = "B" }\ncredentials = { file = "c" }\n'
        'token_url = "http://h/t"',
        "identities.a.credentials",
        "keep one",
    ),
    ('[identities.a]\nkind = "firebase"', "identities.a", "no ID token"),
    (
        '[identities.a]\nkind = "firebase"\nsigning_key = { file = "k" }',
        "identities.a.signing_key",
        "subject",
    ),
    (
        '[identities.a]\nkind = "firebase"\nsubject = "s"\n'
        'signing_key = { file = "k" }',
        "identities.a.signing_key",
        "[promises.tokens]",
    ),
    (
        '[identities.a]\nkind = "open"\nkey = { env = "A" }',
        "identities.a",
        "without a credential",
    ),
    ('[identities.anonymous]\nkind = "open"', "identities.anonymous", "not a name"),
    ('[identities."a b"]\nkind = "open"', 'identities."a b"', "not a name"),
    ('[identities.a]\nkind = "open"\nname = "b"', "identities.a.name", "own name"),
    (
        '[identities.a]\nkind = "open"\ngrants = ["get /x"]',
        "identities.a.grants[0]",
        "denies",
    ),
    (
        '[identities.a]\nkind = "open"\nlimit = { requests = 5 }',
        "identities.a.limit.window",
        "missing",
    ),
    ("[promises]\nchallenge = true", "promises.challenge", "or false"),
    ('[promises]\nchallenge = "a b"', "promises.challenge", "scheme"),
    (
        "[promises]\nrefusal = { forbidden = 99 }",
        "promises.refusal.forbidden",
        "at least 100",
    ),
    (
        "[promises]\nrefusal = { not_owned = 400 }",
        "promises.refusal.not_owned",
        "403 or 404",
    ),
    ('[promises.errors]\ncode = "error"', "promises.errors.code", "JSON pointer"),
    ('[promises.errors]\ncode = "/a~2"', "promises.errors.code", "JSON pointer"),
    (
        '[promises.errors]\ncodes = { 401 = ["a"] }',
        "promises.errors.codes",
        "where a code stands",
    ),
    (
        '[promises.errors]\ncode = "/c"\ncodes = { 200 = ["a"] }',
        "promises.errors.codes.200",
        "at least 400",
    ),
    (
        '[promises.errors]\ncode = "/c"\ncodes = { 4xx = ["a"] }',
        "promises.errors.codes.4xx",
        "a whole number",
    ),
    (
        '[promises.errors]\ncontent_type = "json"',
        "promises.errors.content_type",
        "media type",
    ),
    (
        '[promises.errors]\nschema = { type = "objekt" }',
        "promises.errors.schema",
        "not a JSON Schema: wrong at type",
    ),
    (
        '[promises.errors]\nschema = { file = "absent.json" }',
        "promises.errors.schema.file",
        "cannot be read",
    ),
    ("[[promises.headers]]", "promises.headers[0].name", "missing"),
    (
        '[[promises.headers]]\nname = "A"\non = ["401", "sometimes"]',
        "promises.headers[0].on[1]",
        "a status (404)",
    ),
    ('[[promises.headers]]\nname = "A"\non = []', "promises.headers[0].on", "empty"),
    (
        '[[promises.headers]]\nname = "A"\nvalue = "(a"',
        "promises.headers[0].value",
        "regular expression",
    ),
    ("[promises.rate_limit]\nlimit = 600", "promises.rate_limit.window", "missing"),
    (
        "[promises.rate_limit]\nlimit = 6.5\nwindow = 1",
        "promises.rate_limit.limit",
        "a whole number",
    ),
    (
        "[promises.rate_limit]\nlimit = 0\nwindow = 1",
        "promises.rate_limit.limit",
        "at least 1",
    ),
    (
        '[promises.rate_limit]\nlimit = 1\nwindow = 1\nper = "user"',
        "promises.rate_limit.per",
        "'key'",
    ),
    (
        "[promises.rate_limit]\nlimit = 1\nwindow = 1\ntolerance = 5",
        "promises.rate_limit.tolerance",
        "at most 1",
    ),
    (
        '[promises.rate_limit]\nlimit = 1\nwindow = 1\nheaders = { reset = "X-Reset" }',
        "promises.rate_limit.headers",
        "reset_form",
    ),
    ('[promises.keys]\nformat = "["', "promises.keys.format", "regular expression"),
    ('[promises.tokens]\nissuer = "i"', "promises.tokens.audience", "missing"),
    (
        '[promises.tokens]\nissuer = "i"\naudience = "a"\n'
        'jwks = "http://h/j"\ncertificates = "http://h/c"',
        "promises.tokens",
        "not both",
    ),
    ("[promises.oauth]", "promises.oauth.token_url", "missing"),
    ('[promises.secrets]\nat_rest = "md5"', "promises.secrets.at_rest", "hmac-sha256"),
    (
        '[lifecycle]\nby = "admin"\ncreate = { command = ["c"] }\n'
        'revoke = { command = ["r", "{id}"] }',
        "lifecycle.by",
        "names no identity",
    ),
    (
        '[identities.a]\nkind = "api_key"\nkey = { env = "A" }\nstate = "expired"\n'
        '[lifecycle]\nby = "a"\ncreate = { command = ["c"] }\n'
        'revoke = { command = ["r", "{id}"] }',
        "lifecycle.by",
        "is to be refused",
    ),
    (
        '[promises.rate_limit]\nlimit = 1\nwindow = 1\ncounts = { methods = ["get"] }',
        "promises.rate_limit.counts.methods[0]",
        "'GET'",
    ),
    (
        '[lifecycle]\ncreate = { method = "POST", path = "/k" }\n'
        'revoke = { command = ["r", "{id}"] }',
        "lifecycle",
        "as nobody",
    ),
    (
        '[lifecycle]\ncreate = { path = "/k" }\nrevoke = { command = ["r", "{id}"] }',
        "lifecycle.create",
        "half a call",
    ),
    (
        '[lifecycle]\ncreate = { command = ["c"] }\nrevoke = { command = ["r"] }',
        "lifecycle.revoke",
        "which key",
    ),
    (
        '[client_lifecycle]\ncreate = { command = ["c"] }\n'
        'revoke = { method = "DELETE", path = "/clients" }',
        "client_lifecycle.revoke",
        "which client",
    ),
    (
        '[client_lifecycle]\ncreate = { method = "POST", path = "/clients" }\n'
        'revoke = { command = ["r", "{id}"] }',
        "client_lifecycle",
        "as nobody",
    ),
    (
        '[client_lifecycle]\nby = "admin"\ncreate = { command = ["c"] }\n'
        'revoke = { command = ["r", "{id}"] }',
        "client_lifecycle.by",
        "names no identity",
    ),
    (
        '[promises.tokens]\nissuer = "i"\naudience = "a"\nretire = ["r"]',
        "promises.tokens.retire",
        "which key",
    ),
    (
        '[promises.oauth]\ntoken_url = "http://h/t"\nrevoked_within = 0',
        "promises.oauth.revoked_within",
        "more than 0",
    ),
    ("[places]\nlogs = [{}]", "places.logs[0]", "no place"),
    ('[places]\nlogs = ["server.log"]', "places.logs[0]", "a table"),
    (
        '[places]\nstores = [{ sqlite = "a", dump = "b" }]',
        "places.stores[0]",
        "several",
    ),
    ("[consent]\nbudget = { requests = 0 }", "consent.budget.requests", "at least 1"),
    (
        '[[waivers]]\ncheck = "hsts"\nreason = "r"\nowner = "o"\nexpires = 2027-01-31',
        "waivers[0].check",
        "id of a check",
    ),
    (
        '[[waivers]]\ncheck = "a.b"\nreason = "r"\nowner = "o"\nexpires = "2027-01-31"',
        "waivers[0].expires",
        "without quotes",
    ),
    (
        '[[waivers]]\ncheck = "a.b"\nreason = "r"\nowner = "o"\nexpires = 2027-01-31\n'
        * 2,
        "waivers[1]",
        "there twice",
    ),
    ('[[waivers]]\ncheck = "a.b"\nreason = ""', "waivers[0].reason", "empty"),
    ("[promise]", "promise", "did you mean promises?"),
    ("[consent]\nload = true\nlimit = 3", "consent.limit", "[promises.rate_limit]"),
]
