//! Numbers.

use mlp_value::{Number, Type, Value};

use super::Given;
use super::arguments::{Arguments, Fault, blame, give};
use super::define::Want::{Any, Items, Number as Num};
use super::define::{FunctionInfo, new, p};
use crate::PlanValue;
use crate::convert::{describe, to_number};
use crate::operators::MAX_WEIGHT;

pub(super) const FUNCTIONS: &[FunctionInfo] = &[
    new("abs", "The number without its sign.", &[p("number", Num)], Num, |call| {
        let value = call.number(0)?;
        number(if value.is_negative() { value.negated() } else { value })
    })
    .examples(&[("abs(-12.5)", "12.5")]),
    new("ceil", "The number rounded up to a whole one.", &[p("number", Num)], Num, |call| {
        number(call.number(0)?.ceil())
    })
    .examples(&[("ceil(5.1)", "6"), ("ceil(-5.1)", "-5")]),
    new("floor", "The number rounded down to a whole one.", &[p("number", Num)], Num, |call| {
        number(call.number(0)?.floor())
    })
    .examples(&[("floor(4.9)", "4")]),
    new("log", "The logarithm of a number to a base.", &[p("number", Num), p("base", Num)], Num, |call| {
        let (value, base) = (call.number(0)?.to_f64(), call.number(1)?.to_f64());
        float(value.ln() / base.ln(), "the logarithm")
    })
    .examples(&[("log(16, 2)", "4")])
    .differs("what is infinite, such as `log(0, 10)`, is refused"),
    new("max", "The largest of the numbers.", &[], Num, |call| {
        Ok(numbers(call)?.into_iter().max().map(|most| Value::Number(most).into()))
    })
    .variadic(p("numbers", Num))
    .examples(&[("max(5, 12, 9)", "12"), ("max([1, 7, 3]...)", "7")]),
    new("min", "The smallest of the numbers.", &[], Num, |call| {
        Ok(numbers(call)?.into_iter().min().map(|least| Value::Number(least).into()))
    })
    .variadic(p("numbers", Num))
    .examples(&[("min(5, 12, 9)", "5")]),
    new(
        "parseint",
        "The whole number that a text holds in a base from 2 to 62.",
        &[p("text", Any), p("base", Num)],
        Num,
        parseint,
    )
    .examples(&[("parseint(\"ff\", 16)", "255"), ("parseint(\"-101\", 2)", "-5")]),
    new("pow", "The number raised to a power.", &[p("number", Num), p("exponent", Num)], Num, pow)
        .examples(&[("pow(2, 10)", "1024"), ("pow(2, -1)", "0.5")])
        .differs("exact where the exponent is a whole number; Terraform computes with 64-bit floating point"),
    new("signum", "-1, 0 or 1, by the number's sign.", &[p("number", Num)], Num, |call| {
        let value = call.number(0)?;
        number(Number::from(match (value.is_zero(), value.is_negative()) {
            (true, _) => 0_i64,
            (_, true) => -1,
            _ => 1,
        }))
    })
    .examples(&[("signum(-13)", "-1")])
    .differs("takes fractions too; Terraform refuses them"),
    new("sum", "The sum of the numbers of a list.", &[p("list", Items)], Num, sum)
        .examples(&[("sum([10, 13, 6, 4.5])", "33.5")]),
];

fn number(number: Number) -> Given {
    if number.weight() > MAX_WEIGHT {
        return Err(format!("the number has more than {MAX_WEIGHT} digits").into());
    }
    give(Value::Number(number))
}

fn float(value: f64, what: &str) -> Given {
    number(Number::from_f64(value).ok_or_else(|| format!("{what} is not a finite number"))?)
}

fn numbers(call: &Arguments<'_>) -> Result<Vec<Number>, Fault> {
    if call.len() == 0 {
        return Err("at least one number is needed".into());
    }
    (0..call.len()).map(|at| call.number(at)).collect()
}

fn sum(call: &Arguments<'_>) -> Given {
    let mut total = Number::from(0_i64);
    let items = call.list(0)?;
    if items.is_empty() {
        return blame(0, "an empty list has no sum");
    }
    for (at, item) in items.iter().enumerate() {
        let Ok(item) = to_number(item) else {
            return blame(0, format!("a number is needed, item {at} is {}", describe(item)));
        };
        total = total.plus(&item);
    }
    number(total)
}

fn parseint(call: &Arguments<'_>) -> Given {
    let Value::Text(text) = call.value(0) else {
        return blame(0, format!("a string is needed, this is {}", describe(call.value(0))));
    };
    let base = u32::try_from(call.integer(1)?).ok().filter(|base| (2..=62).contains(base));
    let Some(base) = base else { return blame(1, "the base must lie between 2 and 62") };
    let plain = text.len() <= 4096 && !text.contains('_');
    let parsed =
        plain.then(|| if base <= 36 { Number::from_radix(text, base) } else { large_base(text, base) });
    match parsed.flatten() {
        Some(parsed) => number(parsed),
        None => blame(0, format!("{} is no whole number in base {base}", describe(call.value(0)))),
    }
}

/// Beyond base 36 the capital letters come after the small ones.
fn large_base(text: &str, base: u32) -> Option<Number> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let digits = digits.strip_prefix('+').unwrap_or(digits);
    let mut total = Number::from(0_i64);
    for letter in digits.chars() {
        let digit = match letter {
            'A'..='Z' => u32::from(letter) - u32::from('A') + 36,
            _ => letter.to_digit(36)?,
        };
        if digit >= base {
            return None;
        }
        total = total.times(&Number::from(u64::from(base))).plus(&Number::from(u64::from(digit)));
    }
    (!digits.is_empty()).then(|| if negative { total.negated() } else { total })
}

/// Whole exponents are computed exactly, others as floats.
fn pow(call: &Arguments<'_>) -> Given {
    let (base, exponent) = (call.number(0)?, call.number(1)?);
    let Some(whole) = exponent.to_i64() else {
        return float(base.to_f64().powf(exponent.to_f64()), "the power");
    };
    let times = whole.unsigned_abs();
    if base.weight().saturating_mul(times) > MAX_WEIGHT && base.weight() > 1 || times > MAX_WEIGHT {
        return Err(format!("the power would have more than {MAX_WEIGHT} digits").into());
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

/// The numbers from one to another.
pub(super) fn range(call: &Arguments<'_>) -> Given {
    let zero = Number::from(0_i64);
    let (start, limit) = match call.len() {
        1 => (zero.clone(), call.number(0)?),
        2 | 3 => (call.number(0)?, call.number(1)?),
        many => return Err(format!("1 to 3 numbers are needed, {many} are given").into()),
    };
    let step = match call.len() {
        3 => call.number(2)?,
        _ => Number::from(if limit < start { -1_i64 } else { 1 }),
    };
    if step.is_zero() {
        return blame(2, "a step of 0 never leads anywhere");
    }
    let down = step.is_negative();
    if down && limit > start || !down && limit < start {
        return blame(2, format!("a step of {step} never leads from {start} to {limit}"));
    }
    // How many there will be is charged before the first is made.
    let count = limit.minus(&start).divided_by(&step).and_then(|count| count.ceil().to_i64());
    call.budget.items(count.and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX))?;
    let (mut numbers, mut next) = (Vec::<PlanValue>::new(), start);
    while if down { next > limit } else { next < limit } {
        let after = next.plus(&step);
        numbers.push(Value::Number(std::mem::replace(&mut next, after)));
    }
    Ok(Some(crate::typed::Typed::new(Value::list(numbers), &Type::List(Box::new(Type::Number)))))
}
