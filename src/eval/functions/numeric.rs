//! Numbers.

use mlp_value::{Number, Type, Value};

use super::{Arguments, FunctionInfo, Given, MANY, function};
use crate::convert::{describe, to_number};
use crate::operators::MAX_WEIGHT;

pub(super) const FUNCTIONS: &[FunctionInfo] = &[
    function("abs", "abs(number)", "The number without its sign.", Type::Number, (1, 1), abs),
    function("ceil", "ceil(number)", "The number rounded up to a whole one.", Type::Number, (1, 1), |call| {
        number(call.number(0)?.ceil())
    }),
    function(
        "floor",
        "floor(number)",
        "The number rounded down to a whole one.",
        Type::Number,
        (1, 1),
        |call| number(call.number(0)?.floor()),
    ),
    function(
        "log",
        "log(number, base)",
        "The logarithm of a number to a base.",
        Type::Number,
        (2, 2),
        |call| {
            let (value, base) = (call.number(0)?.to_f64(), call.number(1)?.to_f64());
            float(value.ln() / base.ln(), "the logarithm")
        },
    ),
    function("max", "max(numbers...)", "The largest of the numbers.", Type::Number, (1, MANY), |call| {
        Ok(numbers(call.values)?.into_iter().max().map(Value::Number))
    }),
    function("min", "min(numbers...)", "The smallest of the numbers.", Type::Number, (1, MANY), |call| {
        Ok(numbers(call.values)?.into_iter().min().map(Value::Number))
    }),
    function(
        "parseint",
        "parseint(text, base)",
        "The whole number a text holds in a base from 2 to 36.",
        Type::Number,
        (2, 2),
        parseint,
    ),
    function("pow", "pow(number, exponent)", "The number raised to a power.", Type::Number, (2, 2), pow),
    function("signum", "signum(number)", "-1, 0 or 1 by the number's sign.", Type::Number, (1, 1), |call| {
        let value = call.number(0)?;
        number(Number::from(if value.is_zero() {
            0_i64
        } else if value.is_negative() {
            -1
        } else {
            1
        }))
    }),
    function("sum", "sum(list)", "The sum of a list of numbers.", Type::Number, (1, 1), |call| {
        let numbers = numbers(call.list(0)?)?;
        if numbers.is_empty() {
            return Err("an empty list has no sum".to_owned());
        }
        number(numbers.iter().fold(Number::from(0_i64), |sum, item| sum.plus(item)))
    }),
];

fn number(number: Number) -> Given {
    Ok(Some(Value::Number(number)))
}

fn float(value: f64, what: &str) -> Given {
    number(Number::from_f64(value).ok_or_else(|| format!("{what} is not a finite number"))?)
}

fn numbers(items: &[crate::PlanValue]) -> Result<Vec<Number>, String> {
    items
        .iter()
        .map(|item| to_number(item).map_err(|_| format!("numbers are needed, one is {}", describe(item))))
        .collect()
}

fn abs(call: &Arguments<'_>) -> Given {
    let value = call.number(0)?;
    number(if value.is_negative() { value.negated() } else { value })
}

fn parseint(call: &Arguments<'_>) -> Given {
    let (text, base) = (call.text(0)?, call.integer(1)?);
    let base = u32::try_from(base).ok().filter(|base| (2..=36).contains(base));
    let base = base.ok_or("the base must lie between 2 and 36")?;
    let plain = text.len() <= 4096 && !text.contains('_');
    let parsed = plain.then(|| Number::from_radix(&text, base)).flatten();
    number(parsed.ok_or_else(|| format!("{} is no whole number in base {base}", describe(call.value(0))))?)
}

/// Whole exponents are computed exactly, others as floats.
fn pow(call: &Arguments<'_>) -> Given {
    let (base, exponent) = (call.number(0)?, call.number(1)?);
    let Some(whole) = exponent.to_i64() else {
        return float(base.to_f64().powf(exponent.to_f64()), "the power");
    };
    let times = whole.unsigned_abs();
    if base.weight().saturating_mul(times) > MAX_WEIGHT && base.weight() > 1 || times > MAX_WEIGHT {
        return Err(format!("the power would have more than {MAX_WEIGHT} digits"));
    }
    let mut result = Number::from(1_i64);
    for _ in 0..times {
        result = result.times(&base);
    }
    if whole >= 0 {
        return number(result);
    }
    number(Number::from(1_i64).divided_by(&result).ok_or("zero has no negative power")?)
}
