//! A bucket on a server that this project did not write, raced by processes.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use crate::journal::tests::{begin, done, open};
use crate::{BlobStore, Depot, Holder, S3Settings, Store, blob_tests, s3_store};

#[path = "../../tests/support/s3.rs"]
mod server;

use server::Server;

/// Which process of a race this is: its bucket's address.
const RACER: &str = "MLP_S3_RACER";

fn skip(why: &str) {
    assert!(std::env::var_os("MLP_REQUIRE_SERVERS").is_none(), "{why}, and MLP_REQUIRE_SERVERS is set");
    // Past the test runner, that would keep it to itself.
    let _ = writeln!(std::io::stderr(), "SKIPPED {why}");
}

fn store(endpoint: &str, prefix: &str) -> BlobStore {
    let settings = S3Settings {
        bucket: "states".into(),
        prefix: prefix.into(),
        region: Some("us-east-1".into()),
        endpoint: Some(endpoint.to_owned()),
    };
    s3_store(&settings, "p", "e").unwrap()
}

/// The credentials that the server knows; a process of its own for each test would be needed to set variables, so the runner
/// of these tests has to have them.
fn has_credentials() -> bool {
    std::env::var_os("AWS_ACCESS_KEY_ID").is_some()
}

/// Runs a test of this file in a process of its own, with credentials.
fn apart(test: &str, endpoint: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("s3_tests::{test}"), "--nocapture", "--include-ignored"]);
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test").env(RACER, endpoint);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
#[ignore = "it is one process of the tests below"]
fn apart_suite() {
    assert!(has_credentials());
    let endpoint = std::env::var(RACER).unwrap();
    blob_tests::suite(&|| store(&endpoint, "suite/a"));
    // Names beside it are not of it.
    assert!(store(&endpoint, "suite/ab").read().unwrap().state.resources.is_empty());
    crate::dir_tests::race(&|| store(&endpoint, "race"));
}

#[test]
#[ignore = "it is one process of the tests below"]
fn apart_racer() {
    let endpoint = std::env::var(RACER).unwrap();
    let one = format!("{}", std::process::id());
    match store(&endpoint, "processes").open(&Holder::here()) {
        Err(error) => {
            assert_eq!(error.code, "MLP0610", "{error:?}");
            println!("told: {}", error.headline);
        }
        Ok(writer) => {
            writer.append(&open(&one)).unwrap();
            let id = format!("model.m{one}");
            writer.begin(&begin(1, &id)).unwrap();
            writer.append(&done(1, &id)).unwrap();
            writer.close("done", "").unwrap();
            println!("won: {one}");
        }
    }
}

#[test]
fn a_bucket_keeps_what_was_applied_and_is_raced_by_threads() {
    let Some(server) = Server::start() else { return };
    let output = apart("apart_suite", &server.endpoint()).output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn sixty_four_processes_race_for_the_lease_of_a_bucket() {
    let Some(server) = Server::start() else { return };
    let (mut won, mut told) = (Vec::new(), 0);
    for _ in 0..4 {
        let racers: Vec<Child> =
            (0..16).map(|_| apart("apart_racer", &server.endpoint()).spawn().unwrap()).collect();
        for racer in racers {
            let output = racer.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
            match said.lines().find_map(|line| line.strip_prefix("won: ").map(str::to_owned)) {
                Some(one) => won.push(one),
                None => {
                    assert!(
                        said.contains("told: ") && said.contains("(process ") && said.contains(" until 20"),
                        "{said}"
                    );
                    told += 1;
                }
            }
        }
    }
    assert_eq!(won.len() + told, 64);
    assert!(!won.is_empty());
    let output = apart("apart_count", &server.endpoint()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains(&format!("remembered: {0} {0}", won.len())), "{said}");
}

#[test]
#[ignore = "it is one process of the tests below"]
fn apart_count() {
    let store = store(&std::env::var(RACER).unwrap(), "processes");
    let remembered = store.read().unwrap().state.resources.len();
    println!("remembered: {remembered} {}", store.history().unwrap().len());
    assert_eq!(store.lease().unwrap().holder, None);
}
