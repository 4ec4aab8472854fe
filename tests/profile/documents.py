"""OpenAPI documents as they are met: one in YAML, one of 3.1, one that says little."""

from typing import Any

PETS = """\
openapi: 3.0.3
info:
  title: Pet shop
  version: 1.0.0
servers:
  - url: https://{region}.pets.example.com/v2
    variables:
      region: { default: eu, enum: [eu, us] }
security:
  - api_key: []
paths:
  /pets:
    get:
      security: []
      responses:
        200: { description: All of them }
        default: { $ref: '#/components/responses/Error' }
    post:
      security:
        - pet_auth: [write]
      requestBody:
        content:
          application/json:
            schema: { $ref: '#/components/schemas/Pet' }
            example: { name: Rex }
      responses:
        201: { description: Created }
        400: { $ref: '#/components/responses/Error' }
  /pets/{petId}:
    parameters:
      - name: petId
        in: path
        required: true
        schema: { type: integer, example: 42 }
    get:
      responses:
        200: { description: One }
        404: { $ref: '#/components/responses/Error' }
        500:
          description: Trouble
          content:
            text/html: {}
components:
  securitySchemes:
    api_key:
      type: apiKey
      in: header
      name: X-Pet-Key
    pet_auth:
      type: oauth2
      flows:
        implicit:
          authorizationUrl: https://pets.example.com/authorize
          scopes: { write: modify pets }
    legacy:
      type: apiKey
      in: query
      name: key
  responses:
    Error:
      description: Anything else
      content:
        application/json:
          schema: { $ref: '#/components/schemas/Error' }
  schemas:
    Pet:
      type: object
      properties:
        name: { type: string }
        parent: { $ref: '#/components/schemas/Pet' }
    Error:
      type: object
      description: What went wrong
      required: [code, message]
      properties:
        code: { type: string, example: not_found }
        message: { type: string }
        hint: { type: string, nullable: true }
"""

_PROBLEM = {"$ref": "#/components/schemas/Problem"}

BILLING: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Billing API", "version": "2026-01"},
    "servers": [{"url": "/billing"}],
    "security": [{"service": ["invoices:read"]}, {"firebaseUser": []}],
    "paths": {
        "/invoices": {
            "post": {
                "requestBody": {
                    "content": {"application/json": {"schema": {"type": "object"}}}
                },
                "responses": {
                    "201": {"$ref": "#/components/responses/Limited"},
                    "422": {"$ref": "#/components/responses/Bad"},
                    "429": {"$ref": "#/components/responses/Limited"},
                },
            }
        },
        "/invoices/{invoice}": {
            "parameters": [{"$ref": "#/components/parameters/Invoice"}],
            "get": {"responses": {"404": {"$ref": "#/components/responses/Gone"}}},
        },
    },
    "components": {
        "parameters": {
            "Invoice": {
                "name": "invoice",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "examples": ["inv_1"]},
            }
        },
        "responses": {
            "Bad": {"content": {"application/problem+json": {"schema": _PROBLEM}}},
            "Gone": {
                "content": {
                    "application/problem+json": {
                        "schema": _PROBLEM,
                        "example": {"code": "no_such_invoice", "detail": "Gone"},
                    }
                }
            },
            "Limited": {
                "headers": {
                    "X-RateLimit-Limit": {"schema": {"type": "integer"}},
                    "X-RateLimit-Remaining": {"schema": {"type": "integer"}},
                    "X-RateLimit-Reset": {"schema": {"type": "integer"}},
                    "Retry-After": {"schema": {"type": "integer"}},
                },
                "content": {"application/problem+json": {"schema": _PROBLEM}},
            },
        },
        "schemas": {
            "Problem": {
                "type": "object",
                "properties": {
                    "type": {"type": "string", "format": "uri"},
                    "title": {"type": "string"},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            }
        },
        "securitySchemes": {
            "service": {
                "type": "oauth2",
                "flows": {
                    "clientCredentials": {
                        "tokenUrl": "/oauth/token",
                        "scopes": {"invoices:read": "", "invoices:write": ""},
                    }
                },
            },
            "firebaseUser": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": "A Firebase ID token",
            },
            "mtls": {"type": "mutualTLS"},
        },
    },
}

TICKETS: dict[str, Any] = {
    "openapi": "3.0.0",
    "info": {"title": "", "version": ""},
    "paths": {"/tickets": {"get": {"responses": {"200": {"description": "ok"}}}}},
}
