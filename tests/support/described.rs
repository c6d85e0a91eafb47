//! Holds answers against the OpenAPI document of the running service.

// Each program uses a part of it; a failing check may panic as in any test.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;

use serde_json::Value;

use super::support::http::{Answered, Served};

/// The document, and what of it was seen.
pub struct Document {
    pub json: Value,
    pub seen: BTreeSet<(String, String, u16)>,
}

impl Document {
    pub async fn of(served: &Served) -> Document {
        let mut json = served.json("/api/openapi.json").await;
        assert!(json["openapi"].as_str().unwrap().starts_with("3.1"));
        let schemas = json["components"]["schemas"].as_object_mut().unwrap();
        schemas.values_mut().for_each(strict);
        Document {
            json,
            seen: BTreeSet::new(),
        }
    }

    /// The path of the document that leads here: the one with the fewest parameters.
    fn template(&self, path: &str) -> Option<String> {
        let same = |(one, other): (&str, &str)| one == other || one.starts_with('{');
        let paths = self.json["paths"].as_object().unwrap();
        let found = paths.keys().filter(|template| {
            template.split('/').count() == path.split('/').count()
                && template.split('/').zip(path.split('/')).all(same)
        });
        found
            .min_by_key(|template| template.matches('{').count())
            .cloned()
    }

    /// Checks an answer against the document.
    #[track_caller]
    pub fn check(&mut self, answer: &Answered) {
        let template = self
            .template(&answer.path)
            .unwrap_or_else(|| panic!("{} is not in the document", answer.path));
        let method = answer.method.as_str().to_lowercase();
        let status = answer.status.as_u16();
        // A method that the path does not know has no answer of its own in the document: any
        // refusal of it will do.
        let operations = &self.json["paths"][&template];
        let operation = match &operations[&method] {
            Value::Null => operations.as_object().unwrap().values().next().unwrap(),
            operation => operation,
        };
        let response = &operation["responses"][status.to_string()];
        assert!(
            response.is_object(),
            "{method} {template} {status} is not in the document: {}",
            answer.body
        );
        match response["content"].as_object() {
            None => assert_eq!(answer.body, "", "{method} {template} {status}"),
            Some(content) => {
                let (media, content) = content.iter().next().unwrap();
                assert_eq!(
                    answer.headers["content-type"],
                    media.as_str(),
                    "{method} {template} {status}"
                );
                if media == "application/json" {
                    validate(
                        &content["schema"],
                        &self.json["components"],
                        &answer.json(),
                        &answer.body,
                    );
                }
            }
        }
        for header in response["headers"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name)
        {
            let is_there = answer.headers.contains_key(header.to_lowercase());
            assert!(
                is_there || header == "ETag" && template.ends_with("{name}"),
                "{method} {template} {status}: {header}"
            );
        }
        if status >= 400 {
            refusal(answer);
        }
        self.seen.insert((template, method, status));
    }

    /// The operations with one of these tags.
    pub fn operations(&self, is_meant: impl Fn(&str) -> bool) -> BTreeSet<(String, String)> {
        let paths = self.json["paths"].as_object().unwrap().iter();
        paths
            .flat_map(|(path, item)| {
                item.as_object()
                    .unwrap()
                    .iter()
                    .map(move |(method, operation)| (path, method, operation))
            })
            .filter(|(_, _, operation)| is_meant(operation["tags"][0].as_str().unwrap()))
            .map(|(path, method, _)| (path.clone(), method.clone()))
            .collect()
    }
}

/// Objects have no other keys than those of the document.
fn strict(schema: &mut Value) {
    if let Some(schema) = schema.as_object_mut() {
        if schema.contains_key("properties") {
            schema.insert("additionalProperties".to_owned(), Value::Bool(false));
        }
        schema.values_mut().for_each(strict);
    } else if let Some(schemas) = schema.as_array_mut() {
        schemas.iter_mut().for_each(strict);
    }
}

/// Checks a value against a schema of the document.
#[track_caller]
pub fn validate(schema: &Value, components: &Value, value: &Value, text: &str) {
    let mut whole = schema.clone();
    whole["components"] = components.clone();
    let validator = jsonschema::draft202012::new(&whole).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{error} at {}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:?} in {text}");
}

/// A refusal says what, why and what next.
#[track_caller]
pub fn refusal(answer: &Answered) {
    let body = answer.json();
    assert_eq!(body["status"], answer.status.as_u16());
    for key in ["error", "reason", "remedy"] {
        assert!(body[key].as_str().unwrap().len() > 3, "{key} in {body}");
    }
}
