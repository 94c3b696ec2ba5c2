//! Exact decimals; division to 34 significant digits.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::sync::Arc;

use bigdecimal::num_bigint::{BigInt, Sign};
use bigdecimal::rounding::RoundingMode;
use bigdecimal::{BigDecimal, Context, ToPrimitive, Zero};
use serde::{Deserialize, Serialize};

/// Digits kept by a division, as IEEE 754 decimal128 has them.
const DIVISION_DIGITS: u64 = 34;
/// Exponents beyond this are refused: printing such a number would fill the memory.
const MAX_EXPONENT: i64 = 4096;

/// An exact decimal number. Its digits lie beside it, or every value would be as large as a number.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Number(Arc<BigDecimal>);

impl Number {
    /// The number as a whole one, if it is one and fits.
    pub fn to_i64(&self) -> Option<i64> {
        if self.0.is_integer() { self.0.to_i64() } else { None }
    }

    /// The nearest float.
    pub fn to_f64(&self) -> f64 {
        self.0.to_f64().unwrap_or(f64::NAN)
    }

    /// The number of a finite float, by its shortest decimal.
    pub fn from_f64(number: f64) -> Option<Self> {
        if number.is_finite() { format!("{number}").parse().ok() } else { None }
    }

    /// Whether it is zero.
    pub fn is_zero(&self) -> bool {
        self.0.is_zero()
    }

    /// Sum.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self(Arc::new((&*self.0 + &*other.0).normalized()))
    }

    /// Difference.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self(Arc::new((&*self.0 - &*other.0).normalized()))
    }

    /// Product.
    #[must_use]
    pub fn times(&self, other: &Self) -> Self {
        Self(Arc::new((&*self.0 * &*other.0).normalized()))
    }

    /// Quotient to 34 digits; `None` by zero.
    pub fn divided_by(&self, other: &Self) -> Option<Self> {
        if other.is_zero() {
            return None;
        }
        let digits = NonZeroU64::new(DIVISION_DIGITS).unwrap_or(NonZeroU64::MIN);
        let context = Context::new(digits, RoundingMode::HalfEven);
        // One digit more than asked from the division, then rounded once.
        let quotient = &*self.0 / &*other.0;
        Some(Self(Arc::new(context.round_decimal(quotient).normalized())))
    }

    /// Remainder with the sign of the dividend; `None` by zero.
    pub fn modulo(&self, other: &Self) -> Option<Self> {
        if other.is_zero() { None } else { Some(Self(Arc::new((&*self.0 % &*other.0).normalized()))) }
    }

    /// The negative.
    #[must_use]
    pub fn negated(&self) -> Self {
        Self(Arc::new(-self.0.as_ref()))
    }

    /// Rounded down to a whole number.
    #[must_use]
    pub fn floor(&self) -> Self {
        Self(Arc::new(self.0.with_scale_round(0, RoundingMode::Floor).normalized()))
    }

    /// Rounded up to a whole number.
    #[must_use]
    pub fn ceil(&self) -> Self {
        Self(Arc::new(self.0.with_scale_round(0, RoundingMode::Ceiling).normalized()))
    }

    /// How much it takes to write it out: its digits and the zeros its exponent stands for.
    pub fn weight(&self) -> u64 {
        self.0.digits().saturating_add(self.0.fractional_digit_count().unsigned_abs())
    }

    /// The whole number that digits of a base between 2 and 36 stand for, with an optional sign.
    pub fn from_radix(digits: &str, base: u32) -> Option<Self> {
        if !(2..=36).contains(&base) {
            return None;
        }
        let whole = BigInt::parse_bytes(digits.as_bytes(), base)?;
        Some(Self(Arc::new(BigDecimal::from(whole).normalized())))
    }

    /// Whether it is below zero.
    pub fn is_negative(&self) -> bool {
        self.0.sign() == Sign::Minus
    }

    /// Rounded half away from zero to so many decimals.
    #[must_use]
    pub fn rounded(&self, decimals: i64) -> Self {
        Self(Arc::new(self.0.with_scale_round(decimals, RoundingMode::HalfUp).normalized()))
    }

    /// Rounded half to even to so many decimals, as floating-point numbers are written.
    #[must_use]
    pub fn rounded_even(&self, decimals: i64) -> Self {
        // Digits that are not there need no rounding, and would be filled with zeros.
        if decimals >= self.0.fractional_digit_count() {
            return self.clone();
        }
        Self(Arc::new(self.0.with_scale_round(decimals, RoundingMode::HalfEven).normalized()))
    }

    /// Whether it has no fraction.
    pub fn is_integer(&self) -> bool {
        self.0.is_integer()
    }
}

impl From<i64> for Number {
    fn from(number: i64) -> Self {
        Self(Arc::new(BigDecimal::from(number)))
    }
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self(Arc::new(BigDecimal::from(number)))
    }
}

impl FromStr for Number {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = BigDecimal::from_str(text).map_err(|_| format!("`{text}` is not a number"))?;
        let (_, scale) = number.as_bigint_and_exponent();
        if scale.abs() > MAX_EXPONENT {
            return Err(format!("`{text}` has an exponent beyond {MAX_EXPONENT}"));
        }
        Ok(Self(Arc::new(number.normalized())))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.normalized().to_plain_string())
    }
}

impl Serialize for Number {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.to_i64() {
            Some(whole) => serializer.serialize_i64(whole),
            None => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Whole(i64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Whole(number) => Ok(number.into()),
            Written::Text(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        text.parse().unwrap()
    }

    #[test]
    fn sums_are_exact() {
        assert_eq!(number("0.1").plus(&number("0.2")), number("0.3"));
        assert_eq!(number("1e3").to_string(), "1000");
        assert_eq!(number("-2.50").to_string(), "-2.5");
        assert!("1e999999".parse::<Number>().is_err());
    }

    #[test]
    fn weight_counts_what_is_written() {
        assert!(number("1e300").weight() >= 300 && number("1e-300").weight() >= 300);
        assert_eq!(Number::from_radix("-ff", 16), Some(Number::from(-255_i64)));
        assert_eq!((Number::from_radix("2", 2), Number::from_radix("2", 99)), (None, None));
        assert_eq!(number("-2.345").rounded(2), number("-2.35"));
        assert!(number("-1").is_negative() && !number("0").is_negative());
    }

    #[test]
    fn a_third_has_34_digits() {
        let third = number("1").divided_by(&number("3")).unwrap().to_string();
        assert_eq!(third, format!("0.{}", "3".repeat(34)));
        assert!(number("1").divided_by(&number("0")).is_none());
    }
}
