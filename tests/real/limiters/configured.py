"""The settings of limiters that are configured rather than programmed.

Knows the words of nginx, HAProxy and Envoy. Must not know how they are started.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

#: `rate` is in requests a minute; a key that is not listed is empty, thus not limited.
NGINX = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log /dev/null;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 100000;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2;
  fastcgi_temp_path {folder}/3; uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  map_hash_bucket_size 128;
  map $http_x_api_key $caller {{ default ""; {keys} }}
  limit_req_zone $caller zone=keys:1m rate={rate}r/m;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      limit_req zone=keys burst={burst} nodelay;
      default_type application/json;
      # `return` would answer before the limit is looked at.
      try_files /none @items;
    }}
    location @items {{
      default_type application/json;
      if ($caller = "") {{ return 401 "{{}}"; }}
      return 200 "{{}}";
    }}
  }}
}}
"""

HAPROXY = """
defaults
  mode http
  timeout client 60s
  timeout server 10s
  timeout connect 5s
frontend api
  bind 127.0.0.1:{port}
  acl known req.hdr(X-API-Key) {keys}
  http-request return status 401 unless known
  stick-table type string len 64 size 1m expire 60s store http_req_rate({window}s)
  http-request track-sc0 req.hdr(X-API-Key)
  http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt {limit} }}
  http-request return status 200 content-type application/json string "{{}}"
"""


def envoy_config(port: int, keys: Sequence[str], limit: int, window: int) -> str:
    """Return Envoy's settings: a token bucket for each key, filled all the time."""
    kind = "type.googleapis.com/envoy.extensions.filters"
    bucket = {
        "max_tokens": limit,
        "tokens_per_fill": limit,
        "fill_interval": f"{window}s",
    }
    everything = {
        "runtime_key": "x",
        "default_value": {"numerator": 100, "denominator": "HUNDRED"},
    }
    limiter = {
        "@type": f"{kind}.http.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "limiter",
        "token_bucket": {**bucket, "max_tokens": 100000, "tokens_per_fill": 100000},
        "filter_enabled": everything,
        "filter_enforced": everything,
        "enable_x_ratelimit_headers": "DRAFT_VERSION_03",
        "rate_limits": [
            {
                "actions": [
                    {
                        "request_headers": {
                            "header_name": "x-api-key",
                            "descriptor_key": "key",
                        }
                    }
                ]
            }
        ],
        "descriptors": [
            {"entries": [{"key": "key", "value": key}], "token_bucket": bucket}
            for key in keys
        ],
    }
    known = [
        {
            "match": {
                "prefix": "/",
                "headers": [
                    {"name": "x-api-key", "string_match": {"exact": key}},
                ],
            },
            "direct_response": {"status": 200, "body": {"inline_string": "{}"}},
        }
        for key in keys
    ]
    unknown = {
        "match": {"prefix": "/"},
        "direct_response": {"status": 401, "body": {"inline_string": "{}"}},
    }
    manager = {
        "@type": f"{kind}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "http",
        "route_config": {
            "virtual_hosts": [
                {"name": "all", "domains": ["*"], "routes": [*known, unknown]}
            ]
        },
        "http_filters": [
            {"name": "envoy.filters.http.local_ratelimit", "typed_config": limiter},
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{kind}.http.router.v3.Router"},
            },
        ],
    }
    filters = [
        {
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": manager,
        }
    ]
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return json.dumps(
        {
            "static_resources": {
                "listeners": [
                    {"address": address, "filter_chains": [{"filters": filters}]}
                ]
            }
        }
    )
