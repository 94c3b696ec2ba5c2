//! Values as people read them.

use std::fmt::Write as _;

use mlp_eval::{PlanValue, Quoted, reference_of};
use mlp_value::{Path, Value};

/// How a value is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// On one line, shortened beyond so many characters.
    Line(usize),
    /// Each item on a line of its own, as Terraform's console does.
    Block,
}

/// A value as text; what lies at or below one of the hidden paths shows as `(sensitive value)`.
pub fn show(value: &PlanValue, hidden: &[Path], layout: Layout) -> String {
    let mut text = String::new();
    let mut writer = Writer { hidden, block: layout == Layout::Block, text: &mut text };
    writer.value(value, &mut Path::default(), 0);
    match layout {
        Layout::Line(most) if text.chars().count() > most => {
            text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
        }
        _ => text,
    }
}

/// Text as it would be written: quoted, with what has to be escaped.
pub fn quoted(text: &str) -> String {
    let mut shown = String::from("\"");
    for (at, c) in text.char_indices() {
        match c {
            '"' => shown.push_str("\\\""),
            '\\' => shown.push_str("\\\\"),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            '$' | '%' if text[at + 1..].starts_with('{') => {
                shown.push(c);
                shown.push(c);
            }
            c => shown.push(c),
        }
    }
    shown.push('"');
    shown
}

struct Writer<'w> {
    hidden: &'w [Path],
    block: bool,
    text: &'w mut String,
}

impl Writer<'_> {
    fn value(&mut self, value: &PlanValue, at: &mut Path, depth: usize) {
        if self.hidden.contains(at) {
            self.text.push_str("(sensitive value)");
            return;
        }
        match value {
            Value::Null => self.text.push_str("null"),
            Value::Bool(truth) => self.push(truth),
            Value::Number(number) => self.push(number),
            Value::Text(text) if self.block && text.trim_end_matches('\n').contains('\n') => {
                self.heredoc(text);
            }
            Value::Text(text) => self.text.push_str(&quoted(text)),
            Value::Hole(hole) if hole.after.is_empty() => self.text.push_str("(known after apply)"),
            Value::Hole(hole) => self.text.push_str(&format!("(known after {})", hole.after.join(", "))),
            Value::List(items) => {
                self.text.push('[');
                for (index, item) in items.iter().enumerate() {
                    self.separate(index, depth);
                    at.push(mlp_value::Step::Index(index));
                    self.value(item, at, depth + 1);
                    at.pop();
                    self.end_item();
                }
                self.close(items.is_empty(), depth, ']');
            }
            Value::Object(items) => self.object(value, items, at, depth),
        }
    }

    fn object(
        &mut self,
        value: &PlanValue,
        items: &mlp_value::Object<mlp_eval::Unknown>,
        at: &mut Path,
        depth: usize,
    ) {
        if let Some(reference) = reference_of(value) {
            return self.push(&reference);
        }
        if let Some(quoted) = Quoted::of(value) {
            return self.text.push_str(&quoted.text);
        }
        self.text.push('{');
        for (index, (name, item)) in items.iter().enumerate() {
            self.separate(index, depth);
            if !self.block && index == 0 {
                self.text.push(' ');
            }
            let name_shown = if self.block { quoted(name) } else { name.to_string() };
            self.text.push_str(&format!("{name_shown} = "));
            at.push(mlp_value::Step::Field(name.clone()));
            self.value(item, at, depth + 1);
            at.pop();
            if self.block {
                self.text.push('\n');
            }
        }
        if !self.block && !items.is_empty() {
            self.text.push(' ');
        }
        if self.block && !items.is_empty() {
            self.indent(depth);
        }
        self.text.push('}');
    }

    fn heredoc(&mut self, text: &str) {
        self.text.push_str("<<EOT\n");
        self.text.push_str(text);
        if !text.ends_with('\n') {
            self.text.push('\n');
        }
        self.text.push_str("EOT");
    }

    fn push(&mut self, shown: &impl std::fmt::Display) {
        // Writing to a string cannot fail.
        let _ = write!(self.text, "{shown}");
    }

    fn separate(&mut self, index: usize, depth: usize) {
        match (self.block, index) {
            (true, 0) => {
                self.text.push('\n');
                self.indent(depth + 1);
            }
            (true, _) => self.indent(depth + 1),
            (false, 0) => {}
            (false, _) => self.text.push_str(", "),
        }
    }

    fn end_item(&mut self) {
        if self.block {
            self.text.push_str(",\n");
        }
    }

    fn close(&mut self, empty: bool, depth: usize, with: char) {
        if self.block && !empty {
            self.indent(depth);
        }
        self.text.push(with);
    }

    fn indent(&mut self, depth: usize) {
        self.text.push_str(&"  ".repeat(depth));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> PlanValue {
        PlanValue::object([
            ("a", PlanValue::list([PlanValue::int(1), PlanValue::text("x\"${y}")])),
            ("b", PlanValue::object::<&str>([])),
            ("c", PlanValue::Null),
        ])
    }

    #[test]
    fn a_line_and_a_block() {
        assert_eq!(show(&some(), &[], Layout::Line(99)), "{ a = [1, \"x\\\"$${y}\"], b = {}, c = null }");
        assert_eq!(show(&some(), &[], Layout::Line(5)), "{ a …");
        let wanted = "{\n  \"a\" = [\n    1,\n    \"x\\\"$${y}\",\n  ]\n  \"b\" = {}\n  \"c\" = null\n}";
        assert_eq!(show(&some(), &[], Layout::Block), wanted);
        assert_eq!(show(&PlanValue::text("a\nb"), &[], Layout::Block), "<<EOT\na\nb\nEOT");
    }

    #[test]
    fn what_is_hidden_is_not_shown() {
        let shown = show(&some(), &[Path::of(&["a"])], Layout::Line(99));
        assert_eq!(shown, "{ a = (sensitive value), b = {}, c = null }");
        assert_eq!(show(&some(), &[Path::default()], Layout::Block), "(sensitive value)");
    }

    #[test]
    fn a_reference_is_its_address() {
        let reference = mlp_eval::Reference {
            address: mlp_value::Address::new("model", "m"),
            path: vec!["alias".to_owned(), "champion".to_owned()],
        };
        assert_eq!(show(&reference.to_value(), &[], Layout::Block), "model.m.alias.champion");
    }
}
