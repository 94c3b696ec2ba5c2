//! The cells of a row out of the levels and values of its columns: a leaf is a cell, everything deeper is JSON.

use super::leaf::{Leaf, TORN};
use super::shape::{Form, Repeated, Shape};
use crate::data::cell::Cell;

/// The cells of a column in the next rows.
pub(super) fn cells(shape: &Shape, leaves: &mut [Leaf], rows: usize) -> Result<Vec<Cell>, String> {
    let cells = match shape.form {
        Form::Leaf { column, .. } => leaf(leaves, column)?.take_all()?,
        _ => (0..rows).map(|_| cell(shape, leaves)).collect::<Result<_, _>>()?,
    };
    if cells.len() == rows { Ok(cells) } else { Err(TORN.to_owned()) }
}

/// The cell of a column in the row that is next.
fn cell(shape: &Shape, leaves: &mut [Leaf]) -> Result<Cell, String> {
    if next_defined(shape, leaves)? < shape.defined {
        pass(shape, leaves)?;
        return Ok(Cell::Null);
    }
    let mut text = String::new();
    json(shape, leaves, &mut text)?;
    let mut ends = true;
    shape.each_leaf(&mut |column, _| ends &= leaves.get(column).is_some_and(|leaf| leaf.repeated() == 0));
    if ends { Ok(Cell::Json(text)) } else { Err(TORN.to_owned()) }
}

fn leaf(leaves: &mut [Leaf], column: usize) -> Result<&mut Leaf, String> {
    leaves.get_mut(column).ok_or_else(|| TORN.to_owned())
}

/// The first leaf below, by whose levels it is told what is null and what repeats.
fn first(shape: &Shape) -> Option<usize> {
    match &shape.form {
        Form::Leaf { column, .. } => Some(*column),
        Form::Struct(fields) => fields.first().and_then(|(_, field)| first(field)),
        Form::List { item, .. } => first(item),
        Form::Map { key, .. } => first(key),
    }
}

fn next_defined(shape: &Shape, leaves: &[Leaf]) -> Result<i16, String> {
    first(shape).and_then(|column| leaves.get(column)?.defined()).ok_or_else(|| TORN.to_owned())
}

fn next_repeated(shape: &Shape, leaves: &[Leaf]) -> i16 {
    first(shape).and_then(|column| leaves.get(column)).map_or(0, Leaf::repeated)
}

/// Passes what has no value in any leaf below.
fn pass(shape: &Shape, leaves: &mut [Leaf]) -> Result<(), String> {
    let mut result = Ok(());
    shape.each_leaf(&mut |column, _| {
        let passed = leaf(leaves, column).and_then(Leaf::take);
        match passed {
            Ok(Cell::Null) => {}
            Ok(_) => result = Err(TORN.to_owned()),
            Err(why) => result = Err(why),
        }
    });
    result
}

fn json(shape: &Shape, leaves: &mut [Leaf], text: &mut String) -> Result<(), String> {
    if let Form::Leaf { column, .. } = shape.form {
        text.push_str(&leaf(leaves, column)?.take()?.json());
        return Ok(());
    }
    if next_defined(shape, leaves)? < shape.defined {
        pass(shape, leaves)?;
        text.push_str("null");
        return Ok(());
    }
    match &shape.form {
        Form::Leaf { .. } => Ok(()),
        Form::Struct(fields) => {
            text.push('{');
            for (at, (name, field)) in fields.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                push_name(name, text);
                json(field, leaves, text)?;
            }
            text.push('}');
            Ok(())
        }
        Form::List { repeated, item } => {
            text.push('[');
            items(shape, *repeated, leaves, text, |leaves, text| json(item, leaves, text))?;
            text.push(']');
            Ok(())
        }
        Form::Map { repeated, key, value } => {
            text.push('{');
            items(shape, *repeated, leaves, text, |leaves, text| {
                let name = match &key.form {
                    Form::Leaf { column, .. } => leaf(leaves, *column)?.take()?,
                    _ => return Err(TORN.to_owned()),
                };
                push_name(&name.text(), text);
                json(value, leaves, text)
            })?;
            text.push('}');
            Ok(())
        }
    }
}

/// Writes every item of a list or map, and commas between them.
fn items(
    shape: &Shape,
    repeated: Repeated,
    leaves: &mut [Leaf],
    text: &mut String,
    mut item: impl FnMut(&mut [Leaf], &mut String) -> Result<(), String>,
) -> Result<(), String> {
    if next_defined(shape, leaves)? < repeated.defined {
        return pass(shape, leaves);
    }
    loop {
        item(leaves, text)?;
        if next_repeated(shape, leaves) != repeated.level {
            return Ok(());
        }
        text.push(',');
    }
}

fn push_name(name: &str, text: &mut String) {
    text.push_str(&Cell::Text(name.to_owned()).json());
    text.push(':');
}
