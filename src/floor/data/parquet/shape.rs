//! The columns of a file as trees: what each holds, and at which levels of definition and repetition.
//!
//! The rules for lists are those of the format, with those for files of older writers
//! (<https://github.com/apache/parquet-format/blob/master/LogicalTypes.md#lists>).

use parquet::basic::{ConvertedType, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::schema::types::{BasicTypeInfo, SchemaDescriptor, Type};

use super::decimal::MAX_PRECISION;
use super::hint::Hint;
use super::kind::{Kind, Unit};

/// A column, an item of a list, a field of a structure.
#[derive(Debug)]
pub(super) struct Shape {
    /// The level of definition from which on it is not null.
    pub(super) defined: i16,
    pub(super) form: Form,
}

#[derive(Debug)]
pub(super) enum Form {
    /// Values: the number of the file's leaf column, and what it holds.
    Leaf {
        column: usize,
        kind: Kind,
    },
    Struct(Vec<(String, Shape)>),
    List {
        repeated: Repeated,
        item: Box<Shape>,
    },
    Map {
        repeated: Repeated,
        key: Box<Shape>,
        value: Box<Shape>,
    },
}

/// The levels of what is repeated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Repeated {
    /// The level of definition from which on there is an item.
    pub(super) defined: i16,
    /// The level of repetition of every item but the first.
    pub(super) level: i16,
}

impl Shape {
    pub(super) fn kind(&self) -> Kind {
        match &self.form {
            Form::Leaf { kind, .. } => kind.clone(),
            Form::Struct(fields) => {
                Kind::Struct(fields.iter().map(|(name, field)| (name.clone(), field.kind())).collect())
            }
            Form::List { item, .. } => Kind::List(Box::new(item.kind())),
            Form::Map { key, value, .. } => Kind::Map(Box::new(key.kind()), Box::new(value.kind())),
        }
    }

    /// Calls with every leaf: its column, and what it holds.
    pub(super) fn each_leaf<'a>(&'a self, visit: &mut dyn FnMut(usize, &'a Kind)) {
        match &self.form {
            Form::Leaf { column, kind } => visit(*column, kind),
            Form::Struct(fields) => fields.iter().for_each(|(_, field)| field.each_leaf(visit)),
            Form::List { item, .. } => item.each_leaf(visit),
            Form::Map { key, value, .. } => {
                key.each_leaf(visit);
                value.each_leaf(visit);
            }
        }
    }
}

/// The columns of a file by name, with what Arrow says about them.
pub(super) fn columns(
    schema: &SchemaDescriptor,
    hint: Option<&Hint>,
) -> Result<Vec<(String, Shape)>, String> {
    let mut walk = Walk { next: 0 };
    walk.fields(schema.root_schema(), Place { defined: 0, level: 0 }, hint)
}

/// The levels of what something stands in.
#[derive(Clone, Copy)]
struct Place {
    defined: i16,
    level: i16,
}

impl Place {
    const fn deeper(self, repeated: bool) -> Self {
        Self { defined: self.defined + 1, level: self.level + repeated as i16 }
    }

    const fn repeated(self) -> Repeated {
        Repeated { defined: self.defined, level: self.level }
    }
}

struct Walk {
    next: usize,
}

impl Walk {
    fn fields(
        &mut self,
        group: &Type,
        place: Place,
        hint: Option<&Hint>,
    ) -> Result<Vec<(String, Shape)>, String> {
        let fields = group.get_fields();
        let hints = match hint {
            None => None,
            Some(Hint::Struct(hints))
                if hints.len() == fields.len()
                    && hints.iter().zip(fields).all(|((name, _), field)| name == field.name()) =>
            {
                Some(hints)
            }
            Some(_) => return Err(contradiction(group)),
        };
        let mut found = Vec::with_capacity(fields.len());
        for (at, field) in fields.iter().enumerate() {
            let shape = self.any(field, place, hints.map(|hints| &hints[at].1))?;
            // A structure without fields has no values.
            if !matches!(&shape.form, Form::Struct(fields) if fields.is_empty()) {
                found.push((field.name().to_owned(), shape));
            }
        }
        Ok(found)
    }

    /// A field; one that is repeated by itself is a list.
    fn any(&mut self, field: &Type, place: Place, hint: Option<&Hint>) -> Result<Shape, String> {
        if repetition(field) != Repetition::REPEATED {
            return self.single(field, place, hint);
        }
        let hint = match hint {
            None => None,
            Some(Hint::List(item)) => Some(&**item),
            Some(_) => return Err(contradiction(field)),
        };
        self.items(field, place, place.defined, hint)
    }

    /// What a repeated field repeats, as a list that is there from a level of definition on.
    fn items(
        &mut self,
        repeated: &Type,
        place: Place,
        defined: i16,
        hint: Option<&Hint>,
    ) -> Result<Shape, String> {
        let inside = place.deeper(true);
        let item = self.content(repeated, inside, hint)?;
        Ok(list(defined, inside, item))
    }

    /// A field that is required or optional.
    fn single(&mut self, field: &Type, place: Place, hint: Option<&Hint>) -> Result<Shape, String> {
        let inside = if repetition(field) == Repetition::OPTIONAL { place.deeper(false) } else { place };
        if field.is_group() {
            match field.get_basic_info().converted_type() {
                ConvertedType::LIST => return self.list(field, inside, hint),
                ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE => return self.map(field, inside, hint),
                _ => {}
            }
        }
        self.content(field, inside, hint)
    }

    /// A leaf or a structure, whatever its repetition.
    fn content(&mut self, field: &Type, inside: Place, hint: Option<&Hint>) -> Result<Shape, String> {
        let form = if field.is_group() {
            Form::Struct(self.fields(field, inside, hint)?)
        } else {
            let column = self.next;
            self.next += 1;
            Form::Leaf { column, kind: leaf(field, hint)? }
        };
        Ok(Shape { defined: inside.defined, form })
    }

    fn list(&mut self, field: &Type, inside: Place, hint: Option<&Hint>) -> Result<Shape, String> {
        let hint = match hint {
            None => None,
            Some(Hint::List(item)) => Some(&**item),
            Some(_) => return Err(contradiction(field)),
        };
        let repeated = only_repeated(field)?;
        if repeated.is_primitive() || is_item(field, repeated) {
            return self.items(repeated, inside, inside.defined, hint);
        }
        let items = inside.deeper(true);
        let item = self.any(&repeated.get_fields()[0], items, hint)?;
        Ok(list(inside.defined, items, item))
    }

    fn map(&mut self, field: &Type, inside: Place, hint: Option<&Hint>) -> Result<Shape, String> {
        let entries = only_repeated(field)?;
        if entries.is_primitive() || entries.get_fields().len() == 1 {
            return self.list(field, inside, hint);
        }
        let hints = match hint {
            None => None,
            Some(Hint::Map(entries)) => Some(&**entries),
            Some(_) => return Err(contradiction(field)),
        };
        let (key, value) = match hints {
            Some(Hint::Struct(fields)) if fields.len() == 2 => (Some(&fields[0].1), Some(&fields[1].1)),
            Some(_) => return Err(contradiction(field)),
            None => (None, None),
        };
        let [first, second] = entries.get_fields() else {
            return Err(format!("the map `{}` has entries that are no pairs", field.name()));
        };
        let items = inside.deeper(true);
        if repetition(first) == Repetition::REPEATED {
            return Err(format!("the map `{}` has repeated keys", field.name()));
        }
        let key = Box::new(self.single(first, items, key)?);
        let value = Box::new(self.any(second, items, value)?);
        Ok(Shape { defined: inside.defined, form: Form::Map { repeated: items.repeated(), key, value } })
    }
}

fn list(defined: i16, items: Place, item: Shape) -> Shape {
    Shape { defined, form: Form::List { repeated: items.repeated(), item: Box::new(item) } }
}

fn repetition(field: &Type) -> Repetition {
    let info = field.get_basic_info();
    if info.has_repetition() { info.repetition() } else { Repetition::REQUIRED }
}

fn contradiction(field: &Type) -> String {
    format!("its metadata `ARROW:schema` and its schema contradict each other about `{}`", field.name())
}

fn only_repeated(field: &Type) -> Result<&Type, String> {
    match field.get_fields() {
        [one] if repetition(one) == Repetition::REPEATED => Ok(one),
        _ => Err(format!("`{}` is a list or map that repeats nothing", field.name())),
    }
}

/// Whether the repeated group of a list is itself the item, as older writers have it, and not around it.
fn is_item(list: &Type, repeated: &Type) -> bool {
    let info = repeated.get_basic_info();
    let fields = repeated.get_fields();
    if fields.len() != 1 {
        return true;
    }
    let annotated = match info.logical_type_ref() {
        Some(logical) => *logical == LogicalType::List,
        None => info.converted_type() == ConvertedType::LIST,
    };
    !annotated
        && repetition(&fields[0]) != Repetition::REPEATED
        && (repeated.name() == "array" || repeated.name() == format!("{}_tuple", list.name()))
}

/// What a leaf holds.
fn leaf(field: &Type, hint: Option<&Hint>) -> Result<Kind, String> {
    let Type::PrimitiveType { basic_info, physical_type, type_length, scale, precision } = field else {
        return Err(format!("`{}` is no column", field.name()));
    };
    let known = stored(basic_info, *physical_type, *type_length, (*precision, *scale));
    let kind = known.ok_or_else(|| {
        format!(
            "the column `{}` is stored as {physical_type}, which does not go with its type",
            basic_info.name()
        )
    })?;
    let is_96 = *physical_type == Physical::INT96;
    Ok(hint.map_or(kind.clone(), |hint| hinted(kind, hint, is_96)))
}

fn stored(
    info: &BasicTypeInfo,
    physical: Physical,
    length: i32,
    (precision, scale): (i32, i32),
) -> Option<Kind> {
    let logical = info.logical_type_ref();
    if logical == Some(&LogicalType::Unknown) {
        return Some(Kind::Null);
    }
    let digits = match logical {
        Some(LogicalType::Decimal(of)) => Some((of.precision, of.scale)),
        None if info.converted_type() == ConvertedType::DECIMAL => Some((precision, scale)),
        _ => None,
    };
    match physical {
        Physical::BOOLEAN => Some(Kind::Bool),
        Physical::FLOAT => Some(Kind::Float32),
        Physical::DOUBLE => Some(Kind::Float64),
        Physical::INT96 => Some(Kind::Timestamp { unit: Unit::Nanosecond, utc: false }),
        _ if digits.is_some() => digits.and_then(decimal),
        Physical::INT32 => narrow(logical, info.converted_type()),
        Physical::INT64 => wide(logical, info.converted_type()),
        Physical::BYTE_ARRAY => Some(match (logical, info.converted_type()) {
            (Some(LogicalType::String | LogicalType::Json), _) => Kind::Text,
            (None, ConvertedType::UTF8 | ConvertedType::JSON) => Kind::Text,
            _ => Kind::Binary,
        }),
        Physical::FIXED_LEN_BYTE_ARRAY => Some(match (logical, info.converted_type()) {
            (Some(LogicalType::Float16), _) if length == 2 => Kind::Float16,
            (None, ConvertedType::INTERVAL) if length == 12 => Kind::Interval,
            (Some(LogicalType::Float16), _) | (None, ConvertedType::INTERVAL) => return None,
            _ => Kind::FixedBinary(length),
        }),
    }
}

fn decimal((precision, scale): (i32, i32)) -> Option<Kind> {
    let (precision, scale) = (u32::try_from(precision).ok()?, u32::try_from(scale).ok()?);
    (scale <= precision && (1..=MAX_PRECISION).contains(&precision))
        .then_some(Kind::Decimal { precision, scale })
}

const fn int(bits: u8, signed: bool) -> Option<Kind> {
    Some(Kind::Int { bits, signed })
}

fn narrow(logical: Option<&LogicalType>, converted: ConvertedType) -> Option<Kind> {
    match (logical, converted) {
        (None, ConvertedType::NONE | ConvertedType::INT_32) => int(32, true),
        (None, ConvertedType::INT_8) => int(8, true),
        (None, ConvertedType::INT_16) => int(16, true),
        (None, ConvertedType::UINT_8) => int(8, false),
        (None, ConvertedType::UINT_16) => int(16, false),
        (None, ConvertedType::UINT_32) => int(32, false),
        (None, ConvertedType::DATE) | (Some(LogicalType::Date), _) => Some(Kind::Date),
        (None, ConvertedType::TIME_MILLIS) => Some(Kind::Time(Unit::Millisecond)),
        (Some(LogicalType::Time(time)), _) if time.unit == TimeUnit::MILLIS => {
            Some(Kind::Time(Unit::Millisecond))
        }
        (Some(LogicalType::Integer(of)), _) => match of.bit_width {
            8 => int(8, of.is_signed),
            16 => int(16, of.is_signed),
            32 => int(32, of.is_signed),
            _ => None,
        },
        _ => None,
    }
}

fn wide(logical: Option<&LogicalType>, converted: ConvertedType) -> Option<Kind> {
    let instant = |unit| Some(Kind::Timestamp { unit, utc: true });
    match (logical, converted) {
        (None, ConvertedType::NONE | ConvertedType::INT_64) => int(64, true),
        (None, ConvertedType::UINT_64) => int(64, false),
        (None, ConvertedType::TIME_MICROS) => Some(Kind::Time(Unit::Microsecond)),
        (None, ConvertedType::TIMESTAMP_MILLIS) => instant(Unit::Millisecond),
        (None, ConvertedType::TIMESTAMP_MICROS) => instant(Unit::Microsecond),
        (Some(LogicalType::Integer(of)), _) if of.bit_width == 64 => int(64, of.is_signed),
        (Some(LogicalType::Time(time)), _) if time.unit != TimeUnit::MILLIS => {
            Some(Kind::Time(unit(time.unit)))
        }
        (Some(LogicalType::Timestamp(at)), _) => {
            Some(Kind::Timestamp { unit: unit(at.unit), utc: at.is_adjusted_to_u_t_c })
        }
        _ => None,
    }
}

const fn unit(unit: TimeUnit) -> Unit {
    match unit {
        TimeUnit::MILLIS => Unit::Millisecond,
        TimeUnit::MICROS => Unit::Microsecond,
        TimeUnit::NANOS => Unit::Nanosecond,
    }
}

/// What Arrow adds to what Parquet says, where the two go together.
fn hinted(kind: Kind, hint: &Hint, is_96: bool) -> Kind {
    match (&kind, hint) {
        (Kind::Int { bits: 32 | 64, signed: true }, Hint::Timestamp { unit, zone }) => {
            Kind::Timestamp { unit: *unit, utc: *zone }
        }
        (Kind::Int { bits: 32, signed: true }, Hint::Time(unit @ (Unit::Second | Unit::Millisecond)))
        | (Kind::Int { bits: 64, signed: true }, Hint::Time(unit @ (Unit::Microsecond | Unit::Nanosecond))) => {
            Kind::Time(*unit)
        }
        (Kind::Int { bits: 64, signed: true }, Hint::Duration(unit)) => Kind::Duration(*unit),
        (Kind::Int { bits: 64, signed: true }, Hint::Date { milliseconds: true }) => Kind::DateMilliseconds,
        (Kind::Timestamp { .. }, Hint::Timestamp { unit, zone }) if is_96 => {
            Kind::Timestamp { unit: *unit, utc: *zone }
        }
        (Kind::Timestamp { unit, .. }, Hint::Timestamp { unit: same, zone: true }) if unit == same => {
            Kind::Timestamp { unit: *unit, utc: true }
        }
        (Kind::Interval, Hint::IntervalMonths) => Kind::IntervalMonths,
        (Kind::Binary, Hint::Text) => Kind::Text,
        _ => kind,
    }
}
