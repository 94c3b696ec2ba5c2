//! How large the state is.

use crate::lab::{Lab, bytes_below};
use crate::measure::Fault;
use crate::row::{Figure, MANY, NEVER, Row, Value, Way};
use crate::specs::VALUES;

pub const ROW: Row = Row {
    name: "state",
    about: "Bytes of the state for each value, once everything is applied.",
    unit: "values",
    sizes: MANY,
    terraform: NEVER,
    way: Way::Own(measure),
    budgets: &[],
};

fn measure(lab: &mut Lab, size: usize) -> Result<Vec<Figure>, Fault> {
    let state = lab.applied(&VALUES, size)?.join(".mlp/local/state");
    let snapshot = |path: &std::path::Path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("snapshot-"))
    };
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let each = bytes_below(&state, &snapshot)? as f64 / size as f64;
    Ok(vec![Figure::mlp(size, Value::Number(each, "bytes each"))])
}
