//! An S3 server that this project did not write, of one test.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// The version that was tried; `.ci/run` installs it.
const SERVER: &str = ".cache/mlp-tools/ministack-1.5.33/bin/ministack";

/// It ends with the test.
pub struct Server {
    child: Child,
    port: u16,
    _home: tempfile::TempDir,
}

fn program() -> Option<PathBuf> {
    let named = std::env::var_os("MLP_S3_SERVER").map(PathBuf::from);
    let usual = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(SERVER));
    named.or(usual).filter(|path| path.is_file())
}

impl Server {
    /// Starts it with a bucket `states`; nothing where none is installed.
    pub fn start() -> Option<Self> {
        let Some(program) = program() else {
            super::skip("no S3 server is installed");
            return None;
        };
        let home = tempfile::tempdir().unwrap();
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let mut command = Command::new(program);
        command.env("GATEWAY_PORT", port.to_string()).env("HOME", home.path()).current_dir(home.path());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = Self { child, port, _home: home };
        for _ in 0..600 {
            if server.asked("PUT /states").is_some_and(|answer| answer.contains(" 200 ")) {
                return Some(server);
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("the S3 server does not answer");
    }

    /// One request without a body.
    pub fn asked(&self, line: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let head =
            format!("{line} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// Where it listens.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
