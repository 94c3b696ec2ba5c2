//! Exact decimals: the bytes of their unscaled number (two's complement, the highest first) to text and back.

/// The most digits a decimal has: what fits 32 bytes.
pub(super) const MAX_PRECISION: u32 = 76;
const BYTES: usize = 32;

/// How many bytes hold every number of so many digits.
pub(super) fn length(precision: u32) -> usize {
    let bits = f64::from(precision) * std::f64::consts::LOG2_10 + 1.0;
    (bits / 8.0).ceil() as usize
}

/// The number as text; none where it is longer than 32 bytes.
pub(super) fn to_text(bytes: &[u8], scale: u32) -> Option<String> {
    if bytes.len() <= 16 {
        return Some(scaled(&number(bytes).to_string(), scale));
    }
    let negative = bytes[0] & 0x80 != 0;
    let mut rest: Vec<u8> = bytes.to_vec();
    if negative {
        negate(&mut rest);
    }
    if bytes.len() > BYTES {
        return None;
    }
    let mut digits = Vec::new();
    while rest.iter().any(|byte| *byte != 0) {
        digits.push(b'0' + divide_by_ten(&mut rest));
    }
    if digits.is_empty() {
        digits.push(b'0');
    }
    let sign = if negative { "-" } else { "" };
    let text: String = sign.chars().chain(digits.iter().rev().map(|digit| char::from(*digit))).collect();
    Some(scaled(&text, scale))
}

/// The number that up to 16 bytes are; none are 0.
fn number(bytes: &[u8]) -> i128 {
    let fill = if bytes.first().is_some_and(|first| first & 0x80 != 0) { 0xff } else { 0 };
    let mut whole = [fill; 16];
    whole[16 - bytes.len()..].copy_from_slice(bytes);
    i128::from_be_bytes(whole)
}

/// An unscaled number with its point.
pub(super) fn scaled(number: &str, scale: u32) -> String {
    let scale = scale as usize;
    if scale == 0 {
        return number.to_owned();
    }
    let (sign, digits) = number.strip_prefix('-').map_or(("", number), |digits| ("-", digits));
    match digits.len().checked_sub(scale) {
        Some(whole) if whole > 0 => format!("{sign}{}.{}", &digits[..whole], &digits[whole..]),
        _ => format!("{sign}0.{digits:0>scale$}"),
    }
}

/// The bytes of a number of a precision and scale; none where the text is no number that fits.
pub(super) fn from_text(text: &str, precision: u32, scale: u32) -> Option<[u8; BYTES]> {
    let negative = text.starts_with('-');
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let missing = (scale as usize).checked_sub(fraction.len())?;
    let digits = whole.bytes().chain(fraction.bytes()).chain(std::iter::repeat_n(b'0', missing));
    let digits: Vec<u8> = digits.skip_while(|digit| *digit == b'0').collect();
    let is_number = whole.len() + fraction.len() > 0 && digits.iter().all(u8::is_ascii_digit);
    if !is_number || digits.len() > precision as usize {
        return None;
    }
    let mut bytes = [0; BYTES];
    for digit in digits {
        let mut carry = u16::from(digit - b'0');
        for byte in bytes.iter_mut().rev() {
            let value = u16::from(*byte) * 10 + carry;
            *byte = value as u8;
            carry = value >> 8;
        }
    }
    if negative {
        negate(&mut bytes);
    }
    Some(bytes)
}

fn negate(bytes: &mut [u8]) {
    let mut carry = true;
    for byte in bytes.iter_mut().rev() {
        (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
    }
}

/// Divides by ten and gives the remainder.
fn divide_by_ten(bytes: &mut [u8]) -> u8 {
    let mut rest = 0;
    for byte in bytes {
        let value = rest * 256 + u16::from(*byte);
        *byte = (value / 10) as u8;
        rest = value % 10;
    }
    rest as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_goes_there_and_back() {
        let nines = "9".repeat(76);
        for (text, scale) in [("0", 0), ("-1", 0), ("0.05", 2), ("-0.05", 2), ("12.34", 2), (&nines[..], 0)] {
            let bytes = from_text(text, MAX_PRECISION, scale).unwrap();
            assert_eq!(to_text(&bytes, scale).as_deref(), Some(text));
            let short = &bytes[BYTES - length(text.len() as u32)..];
            assert_eq!(to_text(short, scale).as_deref(), Some(text), "{short:?}");
        }
        assert_eq!(to_text(&[], 2).as_deref(), Some("0.00"));
        assert_eq!(to_text(&[0; 33], 0), None);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for text in ["", "-", ".", "1.234", "1000", "1e2", "x", "--1"] {
            assert_eq!(from_text(text, 5, 2), None, "{text}");
        }
        assert!(from_text("999.99", 5, 2).is_some() && from_text("+1", 5, 2).is_some());
    }

    #[test]
    fn lengths_are_those_of_the_format() {
        assert_eq!([1, 2, 18, 19, 38, 39, 76].map(length), [1, 1, 8, 9, 16, 17, 32]);
    }
}
