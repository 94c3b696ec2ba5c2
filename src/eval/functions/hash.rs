//! Digests of text and files.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::Given;
use super::arguments::{Arguments, blame, text};
use super::define::Want::Text;
use super::define::{FunctionInfo, new, p};
use super::encoding::base64;

pub(super) const FUNCTIONS: &[FunctionInfo] = &[
    new("base64sha256", "The SHA-256 digest of the text, as base64.", &[p("text", Text)], Text, |call| {
        text(base64(&Sha256::digest(call.text(0)?.as_bytes())))
    })
    .examples(&[("base64sha256(\"hello world\")", "\"uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=\"")]),
    new("base64sha512", "The SHA-512 digest of the text, as base64.", &[p("text", Text)], Text, |call| {
        text(base64(&Sha512::digest(call.text(0)?.as_bytes())))
    })
    .examples(&[(
        "base64sha512(\"hello\")",
        "\"m3HSJL1i83hdltRq0+o9czGb+8KJDKra4t/3JRlnPKcjI8PZm6XBHXx6zG4UuMXaDEZjR1wuXDre9G9zvN7AQw==\"",
    )]),
    new("filebase64sha256", "The SHA-256 digest of a file, as base64.", &[p("path", Text)], Text, |call| {
        of_file(call, |bytes| base64(&Sha256::digest(bytes)))
    }),
    new("filebase64sha512", "The SHA-512 digest of a file, as base64.", &[p("path", Text)], Text, |call| {
        of_file(call, |bytes| base64(&Sha512::digest(bytes)))
    }),
    new("filemd5", "The MD5 digest of a file, as hexadecimal digits.", &[p("path", Text)], Text, |call| {
        of_file(call, |bytes| hex(&Md5::digest(bytes)))
    }),
    new("filesha1", "The SHA-1 digest of a file, as hexadecimal digits.", &[p("path", Text)], Text, |call| {
        of_file(call, |bytes| hex(&Sha1::digest(bytes)))
    }),
    new(
        "filesha256",
        "The SHA-256 digest of a file, as hexadecimal digits.",
        &[p("path", Text)],
        Text,
        |call| of_file(call, |bytes| hex(&Sha256::digest(bytes))),
    ),
    new(
        "filesha512",
        "The SHA-512 digest of a file, as hexadecimal digits.",
        &[p("path", Text)],
        Text,
        |call| of_file(call, |bytes| hex(&Sha512::digest(bytes))),
    ),
    new("md5", "The MD5 digest of the text, as hexadecimal digits.", &[p("text", Text)], Text, |call| {
        text(hex(&Md5::digest(call.text(0)?.as_bytes())))
    })
    .examples(&[("md5(\"hello world\")", "\"5eb63bbbe01eeed093cb22bb8f5acdc3\"")]),
    new("sha1", "The SHA-1 digest of the text, as hexadecimal digits.", &[p("text", Text)], Text, |call| {
        text(hex(&Sha1::digest(call.text(0)?.as_bytes())))
    })
    .examples(&[("sha1(\"hello world\")", "\"2aae6c35c94fcfb415dbe95f408b9ce91ee846ed\"")]),
    new(
        "sha256",
        "The SHA-256 digest of the text, as hexadecimal digits.",
        &[p("text", Text)],
        Text,
        |call| text(hex(&Sha256::digest(call.text(0)?.as_bytes()))),
    )
    .examples(&[(
        "sha256(\"hello world\")",
        "\"b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9\"",
    )]),
    new(
        "sha512",
        "The SHA-512 digest of the text, as hexadecimal digits.",
        &[p("text", Text)],
        Text,
        |call| text(hex(&Sha512::digest(call.text(0)?.as_bytes()))),
    ),
    new(
        "uuidv5",
        "The UUID that a namespace (`dns`, `url`, `oid`, `x500` or a UUID) and a name always give.",
        &[p("namespace", Text), p("name", Text)],
        Text,
        uuidv5,
    )
    .examples(&[("uuidv5(\"dns\", \"www.terraform.io\")", "\"a5008fae-b28c-5ba5-96cd-82b4c53552d6\"")]),
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn of_file(call: &Arguments<'_>, digest: fn(&[u8]) -> String) -> Given {
    match call.scope.read_bytes(&call.text(0)?) {
        Ok(Some(bytes)) => text(digest(&bytes)),
        Ok(None) => Ok(None),
        Err(why) => blame(0, why),
    }
}

/// RFC 4122, section 4.3: the SHA-1 digest of the namespace's bytes and the name.
fn uuidv5(call: &Arguments<'_>) -> Given {
    let namespace = call.text(0)?;
    let bytes = match &*namespace {
        "dns" | "url" | "oid" | "x500" => {
            let last = match &*namespace {
                "dns" => 0x10,
                "url" => 0x11,
                "oid" => 0x12,
                _ => 0x14,
            };
            Some([
                0x6b, 0xa7, 0xb8, last, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30,
                0xc8,
            ])
        }
        other => uuid_bytes(other),
    };
    let Some(bytes) = bytes else {
        return blame(0, format!("it must be dns, url, oid, x500 or a UUID, this is {namespace:?}"));
    };
    let mut hasher = Sha1::new();
    hasher.update(bytes);
    hasher.update(call.text(1)?.as_bytes());
    let digest = hasher.finalize();
    let mut uuid = digest[..16].to_vec();
    uuid[6] = uuid[6] & 0x0f | 0x50;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    let digits = hex(&uuid);
    let groups = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    text(groups.join("-"))
}

fn uuid_bytes(text: &str) -> Option<[u8; 16]> {
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    let digits = text.replace('-', "");
    if groups != [8, 4, 4, 4, 12] || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    Some(u128::from_str_radix(&digits, 16).ok()?.to_be_bytes())
}
