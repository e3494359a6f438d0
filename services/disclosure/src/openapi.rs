//! The description of the REST interface for callers, in `OpenAPI` 3.1.
//!
//! `cloister-disclosure print-openapi` prints it; `cargo xtask gen --check` compares the committed copy.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// The document as pretty JSON with a newline at its end.
pub(crate) fn document() -> String {
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Cloister disclosure",
            "version": "1",
            "description": "Grants for auditors, and packages under them. Every request but the issuer key needs an access token of the institution's identity provider.",
        },
        "security": [{"bearer": []}],
        "paths": paths(),
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "schemas": schemas(),
        },
    });
    let mut text = serde_json::to_string_pretty(&sorted(document)).unwrap_or_default();
    text.push('\n');
    text
}

fn paths() -> Value {
    json!({
        "/v1/grants": {
            "post": {
                "summary": "Give an auditor a right to packages (compliance)",
                "requestBody": body("NewGrant"),
                "responses": answers(json!({"201": content("The grant", "Grant")}), &[400, 403]),
            },
            "get": {
                "summary": "The newest grants: all for compliance, an auditor's own for an auditor",
                "responses": answers(json!({"200": content("The grants", "Grants")}), &[403]),
            },
        },
        "/v1/grants/{id}": {
            "delete": {
                "summary": "End a grant at once (compliance); ending it again changes nothing",
                "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string", "format": "uuid"}}],
                "responses": answers(json!({"204": {"description": "Ended"}}), &[400, 403, 404]),
            },
        },
        "/v1/packages": {
            "post": {
                "summary": "Take a package under a grant (auditor); outside the grant and absent are one answer",
                "requestBody": body("Order"),
                "responses": answers(json!({"200": {
                    "description": "The package: a JWS, type cloister-package+jws",
                    "content": {"application/jose+json": {"schema": {"type": "object"}}},
                }}), &[400, 403, 404, 409]),
            },
        },
        "/v1/issuer-key": {
            "get": {
                "summary": "The public key of packages; compare its thumbprint by another way",
                "security": [],
                "responses": answers(json!({"200": content("The key", "IssuerKey")}), &[]),
            },
        },
    })
}

fn schemas() -> Value {
    let address = json!({"type": "string", "pattern": "^0x[0-9a-fA-F]{40}$"});
    let word = json!({"type": "string", "pattern": "^0x[0-9a-fA-F]{64}$"});
    let number = json!({"type": "integer", "minimum": 0});
    let optional = json!({"type": ["integer", "null"], "minimum": 0});
    let kind = json!({"enum": ["account_state", "storage_slot", "token_balance", "transaction"]});
    let scope = scope(&address, &word);
    let terms = json!({
        "case_reference": {"type": "string", "maxLength": 200},
        "legal_basis": {"type": "string", "maxLength": 500},
        "auditor": object(&["subject"], json!({"issuer": {"type": "string"}, "subject": {"type": "string"}})),
        "scope": scope,
        "kinds": list(&kind),
        "first_batch": number,
        "last_batch": optional,
        "expires_at": number,
    });
    let needed = [
        "case_reference",
        "legal_basis",
        "auditor",
        "scope",
        "kinds",
        "expires_at",
    ];
    let mut grant = terms.clone();
    if let Some(fields) = grant.as_object_mut() {
        fields.insert("id".to_owned(), json!({"type": "string", "format": "uuid"}));
        fields.insert(
            "state".to_owned(),
            json!({"enum": ["active", "expired", "revoked"]}),
        );
        fields.insert("created_at".to_owned(), number.clone());
        fields.insert("created_by".to_owned(), json!({"type": "string"}));
        fields.insert("revoked_at".to_owned(), optional.clone());
        fields.insert("revoked_by".to_owned(), json!({"type": ["string", "null"]}));
    }
    let withhold =
        list(&json!({"enum": ["sender", "target", "value", "input", "outcome", "logs"]}));
    json!({
        "NewGrant": object(&needed, terms),
        "Grant": object(&["id", "state"], grant),
        "Grants": object(&["grants"], json!({"grants": list(&reference("Grant"))})),
        "Order": object(&["grant", "claim"], json!({
            "grant": {"type": "string", "format": "uuid"},
            "claim": reference("Claim"),
            "batch": optional,
            "allow_uncommitted": {"type": "boolean", "default": false},
        })),
        "Claim": {"oneOf": [
            claim("account_state", &["address"], json!({"address": address})),
            claim("storage_slot", &["contract", "slot"], json!({"contract": address, "slot": word})),
            claim("token_balance", &["token", "holder"], json!({"token": address, "holder": address})),
            claim("transaction", &["hash"], json!({"hash": word, "withhold": withhold})),
        ]},
        "IssuerKey": object(&["thumbprint", "jwk"], json!({
            "thumbprint": {"type": "string"},
            "jwk": {"type": "object"},
            "pem": {"type": ["string", "null"]},
        })),
        "Error": object(&["code", "message"], json!({"code": {"type": "string"}, "message": {"type": "string"}})),
    })
}

/// What a grant covers.
fn scope(address: &Value, word: &Value) -> Value {
    let layout = object(
        &["derivation", "base_slot"],
        json!({
            "derivation": {"enum": ["solidity_mapping", "vyper_mapping"]},
            "base_slot": word,
        }),
    );
    object(
        &[],
        json!({
            "accounts": list(address),
            "tokens": list(&object(&["contract"], json!({"contract": address, "layout": layout}))),
            "storage": list(&object(&["contract", "slots"], json!({"contract": address, "slots": list(word)}))),
            "transactions": list(word),
        }),
    )
}

fn object(required: &[&str], properties: Value) -> Value {
    let required = json!(required);
    Value::Object(Map::from_iter([
        ("type".to_owned(), json!("object")),
        ("additionalProperties".to_owned(), json!(false)),
        ("required".to_owned(), required),
        ("properties".to_owned(), properties),
    ]))
}

/// The same with the members of every object in alphabetical order, whatever order the JSON crate
/// was built to keep.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<String, Value> = members.into_iter().collect();
            let members = members
                .into_iter()
                .map(|(name, member)| (name, sorted(member)));
            Value::Object(members.collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

fn claim(kind: &str, required: &[&str], mut properties: Value) -> Value {
    if let Some(fields) = properties.as_object_mut() {
        fields.insert("kind".to_owned(), json!({"const": kind}));
    }
    let required: Vec<&str> = ["kind"].iter().chain(required).copied().collect();
    object(&required, properties)
}

fn list(items: &Value) -> Value {
    json!({"type": "array", "items": items})
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn content(description: &str, schema: &str) -> Value {
    json!({"description": description, "content": {"application/json": {"schema": reference(schema)}}})
}

fn body(schema: &str) -> Value {
    json!({"required": true, "content": {"application/json": {"schema": reference(schema)}}})
}

/// The answers of an endpoint: its own, its refusals, and those of every endpoint.
fn answers(own: Value, refusals: &[u16]) -> Value {
    let mut all = match own {
        Value::Object(own) => own,
        _ => Map::new(),
    };
    for status in refusals.iter().chain(&[401, 413, 500, 503, 504]) {
        let description = match status {
            400 => "The request makes no sense; the message says why",
            401 => "No good access token",
            403 => "Not permitted, or the grant has ended",
            404 => "No such grant of yours, or nothing to disclose under it",
            409 => "The batch is not sealed, or not on Ethereum yet",
            413 => "The request is too long",
            503 => "A part of the installation is away; try again",
            504 => "It took too long; try again",
            _ => "The service failed",
        };
        all.insert(status.to_string(), content(description, "Error"));
    }
    Value::Object(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every `$ref` of the document, wherever it is.
    fn references(at: &Value, out: &mut Vec<String>) {
        match at {
            Value::Object(members) => {
                if let Some(Value::String(target)) = members.get("$ref") {
                    out.push(target.clone());
                }
                members.values().for_each(|member| references(member, out));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, out)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_of_the_document_leads_somewhere() {
        let document: Value = serde_json::from_str(&document()).expect("JSON");
        let mut all = Vec::new();
        references(&document, &mut all);
        assert!(!all.is_empty());
        for target in all {
            let pointer = target.trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{target}");
        }
    }
}
