//! The Open Inference Protocol v2 over JSON: columns as tensors.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};

use super::refusal::Refusal;
use super::router::{Answer, Router, allow, health, json};
use super::routing::{Routing, Variant};

#[derive(Deserialize)]
struct InferRequest {
    id: Option<String>,
    inputs: Vec<Tensor>,
}

#[derive(Deserialize)]
struct Tensor {
    name: String,
    shape: Vec<u64>,
    datatype: String,
    data: Value,
}

/// A refusal in the form of the protocol: `{"error": "..."}`.
pub(super) fn refused(refusal: &Refusal) -> Answer {
    refusal.answer_with(&json!({"error": refusal.message}))
}

/// Answers a request below `/v2`.
pub(super) async fn handle(
    router: &Router,
    routing: &Arc<Routing>,
    request: &Parts,
    body: &mut Incoming,
    id: &str,
) -> Result<Answer, Refusal> {
    let path = request.uri.path();
    let model = &routing.spec.name;
    let rest = path.strip_prefix("/v2").unwrap_or_default();
    let of_model = rest.strip_prefix("/models/").and_then(|rest| rest.strip_prefix(model.as_str()));
    match (rest, of_model) {
        (_, Some("/infer")) => {
            allow(request, &Method::POST)?;
            infer(router, routing, request, body, id).await
        }
        ("" | "/" | "/health/live" | "/health/ready", _) | (_, Some("" | "/ready")) => {
            allow(request, &Method::GET)?;
            Ok(match (rest, of_model) {
                ("/health/live", _) => health(true, "live", true, false),
                ("/health/ready", _) | (_, Some("/ready")) => health(routing.ready(), "ready", true, false),
                (_, Some(_)) => json(StatusCode::OK, &metadata(routing)),
                _ => json(
                    StatusCode::OK,
                    &json!({
                        "name": "mlp", "version": env!("CARGO_PKG_VERSION"), "extensions": [],
                    }),
                ),
            })
        }
        _ => Err(Refusal::new(
            404,
            "not_found",
            format!("there is nothing at `{path}`; the model is `{model}`"),
        )),
    }
}

fn metadata(routing: &Routing) -> Value {
    let versions: Vec<String> = match routing.spec.graph {
        Some(_) => vec![version(routing, None)],
        None => routing.variants.iter().map(|variant| version(routing, Some(variant))).collect(),
    };
    // What a class accepts is not declared to the router, so it claims no tensors.
    json!({"name": routing.spec.name, "versions": versions, "platform": "mlp", "inputs": [], "outputs": []})
}

/// The version of a variant's model, or those of all nodes of a graph (`transcribe=1,translate=4`).
fn version(routing: &Routing, variant: Option<&Variant>) -> String {
    let number = |variant: &Variant| variant.spec.model.version.to_string();
    let node = |variant: &Variant| format!("{}={}", variant.spec.name, number(variant));
    match variant {
        Some(variant) => number(variant),
        None => routing
            .variants
            .iter()
            .filter(|variant| variant.spec.of.is_none())
            .map(node)
            .collect::<Vec<_>>()
            .join(","),
    }
}

async fn infer(
    router: &Router,
    routing: &Arc<Routing>,
    request: &Parts,
    body: &mut Incoming,
    id: &str,
) -> Result<Answer, Refusal> {
    let binary = request.headers.contains_key("inference-header-content-length");
    let (body, _busy) = router.admitted_body(routing, request, body).await?;
    let parsed = if binary { Err("tensors in binary form are not supported".into()) } else { read(&body) };
    let (caller_id, rows) =
        parsed.map_err(|message: String| router.counted(Refusal::new(400, "invalid_request", message)))?;
    let raw: Vec<Box<RawValue>> = rows.iter().filter_map(|row| to_raw_value(row).ok()).collect();
    let rows: Vec<&RawValue> = raw.iter().map(AsRef::as_ref).collect();
    let forwarded =
        serde_json::to_vec(&std::collections::BTreeMap::from([("rows", &rows)])).unwrap_or_default();
    let served = router.ask(routing, forwarded.into(), &rows, id).await?;
    let predictions: Vec<Value> =
        served.predictions.iter().filter_map(|raw| serde_json::from_str(raw.get()).ok()).collect();
    let mut answer = json!({
        "model_name": routing.spec.name,
        "model_version": version(routing, served.variant),
        "parameters": served.variant.map_or_else(|| json!({}), |variant| json!({"variant": variant.spec.shown()})),
        "outputs": outputs(&predictions),
    });
    if let Some(caller_id) = caller_id {
        answer["id"] = caller_id.into();
    }
    Ok(json(StatusCode::OK, &answer))
}

type RowValues = Map<String, Value>;

fn read(body: &[u8]) -> Result<(Option<String>, Vec<RowValues>), String> {
    let request: InferRequest = serde_json::from_slice(body)
        .map_err(|error| format!("the body is not an inference request: {error}"))?;
    let first = request.inputs.first().ok_or("there is no input")?;
    let count = first.shape.first().copied().ok_or_else(|| format!("input `{}` has no shape", first.name))?;
    let mut columns = Vec::new();
    for tensor in request.inputs {
        let name = tensor.name.clone();
        let column = tensor.column(count).map_err(|error| format!("input `{name}`: {error}"))?;
        columns.push((name, column.into_iter()));
    }
    let rows = (0..count).map(|_| {
        columns
            .iter_mut()
            .map(|(name, column)| (name.clone(), column.next().unwrap_or(Value::Null)))
            .collect()
    });
    Ok((request.id, rows.collect()))
}

impl Tensor {
    /// One value a row: a scalar, or a list where the tensor has further dimensions.
    fn column(self, rows: u64) -> Result<Vec<Value>, String> {
        if self.shape.first() != Some(&rows) {
            return Err(format!("the shape {:?} does not begin with {rows}", self.shape));
        }
        let width = self.shape[1..].iter().try_fold(1_u64, |width, size| width.checked_mul(*size));
        let size = width.and_then(|width| width.checked_mul(rows)).ok_or("the shape is too large")?;
        let mut flat = Vec::new();
        flatten(self.data, &mut flat);
        if flat.len() as u64 != size {
            return Err(format!("{} values for the shape {:?}", flat.len(), self.shape));
        }
        if let Some(value) = flat.iter().find(|value| !fits(&self.datatype, value)) {
            return Err(format!("{value} is not of type {}", self.datatype));
        }
        match width {
            Some(1) => Ok(flat),
            Some(0) | None => Err("the shape is empty".into()),
            // The size is that of a list in memory, so that the width fits as well.
            Some(width) => {
                let width = usize::try_from(width).map_err(|_| "the shape is too large")?;
                Ok(flat.chunks(width).map(|chunk| Value::Array(chunk.to_vec())).collect())
            }
        }
    }
}

fn flatten(value: Value, flat: &mut Vec<Value>) {
    match value {
        Value::Array(values) => values.into_iter().for_each(|value| flatten(value, flat)),
        value => flat.push(value),
    }
}

/// Whether a value is of a datatype; null stands for a missing value of any.
fn fits(datatype: &str, value: &Value) -> bool {
    match datatype {
        _ if value.is_null() => matches!(datatype, "BOOL" | "BYTES") || numeric(datatype),
        "BOOL" => value.is_boolean(),
        "BYTES" => value.is_string(),
        "FP16" | "FP32" | "FP64" | "BF16" => value.is_number(),
        _ if numeric(datatype) => value.is_i64() || value.is_u64(),
        _ => false,
    }
}

fn numeric(datatype: &str) -> bool {
    let (kind, bits) =
        datatype.split_at(datatype.find(|c: char| c.is_ascii_digit()).unwrap_or(datatype.len()));
    matches!(kind, "INT" | "UINT" | "FP" | "BF") && matches!(bits, "8" | "16" | "32" | "64")
}

/// Predictions as tensors: one for each member when all are objects with the same members, else one.
fn outputs(predictions: &[Value]) -> Vec<Value> {
    let members =
        predictions.first().and_then(Value::as_object).map(|first| first.keys().collect::<Vec<_>>());
    let alike = |names: &Vec<&String>| {
        predictions
            .iter()
            .all(|prediction| prediction.as_object().is_some_and(|o| o.keys().eq(names.iter().copied())))
    };
    match members.filter(alike) {
        Some(names) => names
            .into_iter()
            .map(|name| {
                tensor(name, predictions.iter().map(|prediction| &prediction[name.as_str()]).collect())
            })
            .collect(),
        None => vec![tensor("predictions", predictions.iter().collect())],
    }
}

fn tensor(name: &str, values: Vec<&Value>) -> Value {
    let count = values.len();
    let all = |test: fn(&Value) -> bool| values.iter().all(|value| test(value));
    let width = values.first().and_then(|value| value.as_array()).map_or(0, Vec::len);
    let matrix = width > 0
        && values.iter().all(|value| {
            value.as_array().is_some_and(|row| row.len() == width && row.iter().all(Value::is_number))
        });
    let (datatype, shape, data) = if matrix {
        let flat: Vec<Value> =
            values.iter().filter_map(|value| value.as_array()).flatten().cloned().collect();
        ("FP64", json!([count, width]), json!(flat))
    } else if all(Value::is_i64) {
        ("INT64", json!([count]), json!(values))
    } else if all(Value::is_number) {
        ("FP64", json!([count]), json!(values))
    } else if all(Value::is_boolean) {
        ("BOOL", json!([count]), json!(values))
    } else if all(Value::is_string) {
        ("BYTES", json!([count]), json!(values))
    } else {
        ("BYTES", json!([count]), json!(values.iter().map(ToString::to_string).collect::<Vec<_>>()))
    };
    json!({"name": name, "datatype": datatype, "shape": shape, "data": data})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(inputs: Value) -> Result<Value, String> {
        let body = serde_json::to_vec(&json!({"inputs": inputs})).unwrap();
        read(&body).map(|(_, rows)| json!(rows))
    }

    #[test]
    fn columns_become_rows() {
        let inputs = json!([
            {"name": "age", "shape": [2], "datatype": "INT64", "data": [31, null]},
            {"name": "plan", "shape": [2, 1], "datatype": "BYTES", "data": ["a", "b"]},
            {"name": "xy", "shape": [2, 2], "datatype": "FP32", "data": [[1, 2], [3, 4.5]]},
        ]);
        let expected = json!([
            {"age": 31, "plan": "a", "xy": [1, 2]},
            {"age": null, "plan": "b", "xy": [3, 4.5]},
        ]);
        assert_eq!(rows(inputs).unwrap(), expected);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let one = |shape: Value, datatype: &str, data: Value| {
            rows(json!([{"name": "a", "shape": shape, "datatype": datatype, "data": data}])).unwrap_err()
        };
        assert!(one(json!([2]), "INT64", json!([1])).contains("1 values"));
        assert!(one(json!([1]), "INT64", json!([1.5])).contains("not of type INT64"));
        assert!(one(json!([1]), "WORD", json!([1])).contains("WORD"));
        assert!(one(json!([]), "INT64", json!([1])).contains("no shape"));
        assert!(
            one(json!([4_294_967_296_u64, 4_294_967_296_u64]), "INT64", json!([1])).contains("too large")
        );
        assert!(one(json!([1, 0]), "INT64", json!([])).contains("empty"));
        assert!(rows(json!([])).unwrap_err().contains("no input"));
    }

    #[test]
    fn predictions_become_tensors() {
        let scalars = outputs(&[json!(1), json!(0.5)]);
        assert_eq!(
            scalars,
            [json!({"name": "predictions", "datatype": "FP64", "shape": [2], "data": [1, 0.5]})]
        );
        let objects = outputs(&[json!({"p": 0.1, "label": "no"}), json!({"p": 0.9, "label": "yes"})]);
        assert_eq!(objects.len(), 2);
        assert_eq!(objects[0]["name"], "label");
        assert_eq!(objects[1]["datatype"], "FP64");
        assert_eq!(outputs(&[json!([1, 2]), json!([3, 4])])[0]["shape"], json!([2, 2]));
        assert_eq!(outputs(&[json!({"a": 1}), json!(2)])[0]["datatype"], "BYTES");
    }
}
