//! `mlp lsp` over stdio: driven by a client that this project did not write, and by bytes that no client would send.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A python that has the client library, where there is one: that of `.ci/run`, or the search path's own.
fn python() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let own = home.join(".cache/mlp-tools/lsp-client/bin/python");
    let has = |python: &PathBuf| {
        let asked =
            Command::new(python).args(["-c", "import pygls.lsp.client"]).stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    };
    [own, PathBuf::from("python3")].into_iter().find(has)
}

#[test]
fn an_editors_client_is_served() {
    let Some(python) = python() else { return support::skip("no python with pygls is here") };
    let scratch = tempfile::tempdir().unwrap();
    // Spaces and letters beyond ASCII are escaped in the addresses of files.
    let directory = scratch.path().join("a projéct");
    let client = support::folder("tests/lsp").join("client.py");
    let mut command = Command::new(python);
    command.arg(client).arg(env!("CARGO_BIN_EXE_mlp")).arg(&directory);
    support::run(&mut command).ended(0).says("all ok");
}

/// What the server says to some bytes.
fn told(bytes: &[u8]) -> support::Output {
    let scratch = tempfile::tempdir().unwrap();
    let mut input = tempfile::tempfile().unwrap();
    input.write_all(bytes).unwrap();
    std::io::Seek::rewind(&mut input).unwrap();
    support::run_fed(support::program(scratch.path()).arg("lsp"), Stdio::from(input))
}

fn message(body: &str) -> String {
    format!("Content-Length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn what_is_no_message_is_answered_and_the_next_is_heard() {
    let hello = message(r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{}}}"#);
    let bye = message(r#"{"jsonrpc":"2.0","id":2,"method":"shutdown"}"#)
        + &message(r#"{"jsonrpc":"2.0","method":"exit"}"#);
    for nonsense in ["[]", "{", "nonsense", r#"{"jsonrpc":"2.0"}"#, "\u{0}", "💥"] {
        let said = told(format!("{hello}{}{bye}", message(nonsense)).as_bytes()).ended(0);
        assert!(said.stdout.contains("-32700"), "{nonsense}: {said}");
        assert!(said.stdout.contains("\"id\":2"), "{nonsense}: {said}");
    }
    told(format!("{hello}{bye}").as_bytes()).ended(0);
    // Gone without a goodbye, or a stream in which nothing can be found again.
    told(hello.as_bytes()).ended(1);
    for nonsense in
        [&b"\r\n\r\n"[..], b"Content-Length: -1\r\n\r\n{}", b"\xff\xfe\x00", b"Content-Length: 9\r\n\r\n{}"]
    {
        told(nonsense).ended(1);
    }
}
