//! Checks JSON against a schema, with those keywords of JSON Schema that `benches/report.schema.json` uses. An unknown keyword
//! is an error, so that no part of the schema is ignored.

use serde_json::Value;

/// Returns a line with the path of every violation of the schema.
pub(crate) fn complaints(schema: &Value, value: &Value) -> Vec<String> {
    let mut complaints = Vec::new();
    check(schema, schema, value, "", &mut complaints);
    complaints
}

fn check(root: &Value, schema: &Value, value: &Value, path: &str, complaints: &mut Vec<String>) {
    for (word, says) in schema.as_object().expect("a schema is an object") {
        let fits = match word.as_str() {
            "$schema" | "$defs" | "title" | "description" => true,
            "$ref" => {
                let place =
                    says.as_str().and_then(|place| place.strip_prefix('#')).expect("a place in the schema");
                check(root, root.pointer(place).expect("a definition"), value, path, complaints);
                true
            }
            "type" => match says {
                Value::Array(kinds) => kinds.iter().any(|kind| is(value, kind)),
                kind => is(value, kind),
            },
            "enum" => says.as_array().is_some_and(|values| values.contains(value)),
            "minimum" => value.as_f64() >= says.as_f64(),
            "required" => names(says).all(|name| value.get(name).is_some()),
            "items" => {
                let items = value.as_array().into_iter().flatten().enumerate();
                items.for_each(|(at, item)| check(root, says, item, &format!("{path}/{at}"), complaints));
                true
            }
            "properties" => {
                for (name, says) in says.as_object().into_iter().flatten() {
                    if let Some(value) = value.get(name) {
                        check(root, says, value, &format!("{path}/{name}"), complaints);
                    }
                }
                true
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                let others = value.as_object().into_iter().flatten();
                let mut others =
                    others.filter(|(name, _)| known.is_none_or(|known| !known.contains_key(*name)));
                match says {
                    Value::Bool(false) => others.next().is_none(),
                    says => {
                        others.for_each(|(name, value)| {
                            check(root, says, value, &format!("{path}/{name}"), complaints);
                        });
                        true
                    }
                }
            }
            word => panic!("this does not know {word:?}"),
        };
        if !fits {
            complaints.push(format!("{path}: {word} {says}: {value}"));
        }
    }
}

fn names(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn is(value: &Value, kind: &Value) -> bool {
    match kind.as_str().expect("a type has a name") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        kind => panic!("this does not know the type {kind:?}"),
    }
}
