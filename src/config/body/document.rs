//! The body as the OpenAPI document describes it.

use std::borrow::Cow;

use utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, ObjectBuilder, OneOfBuilder, Schema, SchemaType, Type,
};
use utoipa::openapi::{RefOr, schema};
use utoipa::{PartialSchema, ToSchema};

use super::keys::{BodyForm, BodyKey, KEYS, in_the_body_s_words};

/// Configuration of a connection in the OpenAPI document: what is sent, and what is answered with
/// the secret in read form.
pub struct ConnectionDocument;

impl ToSchema for ConnectionDocument {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("ConnectionConfiguration")
    }
}

impl PartialSchema for ConnectionDocument {
    fn schema() -> RefOr<Schema> {
        let mut sections: Vec<&'static str> = KEYS.iter().map(|key| key.section).collect();
        sections.retain(|section| !section.is_empty());
        sections.dedup();
        let whole = sections.iter().fold(object_of(""), |whole, section| {
            let inner = object_of(section).schema_type(or_null(Type::Object));
            whole.property(*section, inner)
        });
        whole
            .description(Some(
                "Configuration of a connection. A key that is absent or null has the default of its variable; docs/connections.md describes each.",
            ))
            .build()
            .into()
    }
}

fn object_of(section: &str) -> ObjectBuilder {
    let keys = KEYS.iter().filter(|key| key.section == section);
    keys.fold(ObjectBuilder::new(), |object, key| {
        object.property(key.name, schema_of(key))
    })
    .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)))
}

fn or_null(one: Type) -> SchemaType {
    SchemaType::from_iter([one, Type::Null])
}

fn simple(of: SchemaType, description: &str) -> ObjectBuilder {
    let description = (!description.is_empty()).then_some(description);
    ObjectBuilder::new().schema_type(of).description(description)
}

fn schema_of(key: &BodyKey) -> RefOr<Schema> {
    let meaning = key
        .variable
        .map(|variable| in_the_body_s_words(variable.meaning))
        .unwrap_or_default();
    let built: Schema = match key.form {
        BodyForm::Text => simple(or_null(Type::String), &meaning).build().into(),
        BodyForm::Number => simple(or_null(Type::Integer), &meaning).build().into(),
        BodyForm::Flag => simple(or_null(Type::Boolean), "Makes no runs.").build().into(),
        BodyForm::Certificate => simple(
            or_null(Type::String),
            "Certificates in PEM, or one in DER as base64; never a path.",
        )
        .build()
        .into(),
        BodyForm::Document => simple(
            or_null(Type::String),
            "Text of a mapping file; the built-in table where it is absent.",
        )
        .build()
        .into(),
        BodyForm::Schedule => simple(
            or_null(Type::Object),
            "One of the four forms of docs/connections.md; null runs by hand alone.",
        )
        .build()
        .into(),
        BodyForm::Baseline => simple(
            or_null(Type::Object),
            "Times of the full reads: cron and timezone; the cron expression off makes none.",
        )
        .build()
        .into(),
        BodyForm::List | BodyForm::Names => one_of([
            simple(or_null(Type::String), "One, or null for none.").into(),
            ArrayBuilder::new()
                .items(simple(Type::String.into(), ""))
                .into(),
        ])
        .description(Some(meaning))
        .build()
        .into(),
        BodyForm::Secret => one_of([
            simple(or_null(Type::String), "The secret, which is never answered; null removes it.").into(),
            ObjectBuilder::new()
                .property("set", simple(Type::Boolean.into(), "There is one."))
                .property("changedAt", simple(or_null(Type::String), "Time at which it was set."))
                .required("set")
                .description(Some("The form in which it is read; sent back, it keeps what is stored."))
                .into(),
        ])
        .description(Some(meaning))
        .build()
        .into(),
    };
    built.into()
}

fn one_of(schemas: [RefOr<schema::Schema>; 2]) -> OneOfBuilder {
    schemas.into_iter().fold(OneOfBuilder::new(), OneOfBuilder::item)
}
