//! A PostgreSQL server of one test, on loopback; it ends with the test.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The user without rights that runs the server where we are root.
const NOBODY: u32 = 65534;
/// How long a start may take before it counts as hanging.
const LIMIT: Duration = Duration::from_secs(60);

/// A running server. Its user is `ann`.
pub struct Server {
    _dir: tempfile::TempDir,
    bin: PathBuf,
    password: String,
    child: Child,
    /// The port it listens on.
    pub port: u16,
}

fn programs() -> Option<PathBuf> {
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let installed = installed.map(|entry| entry.path().join("bin"));
    let searched = std::env::var_os("PATH").unwrap_or_default();
    let all: Vec<PathBuf> = installed.chain(std::env::split_paths(&searched)).collect();
    all.into_iter().find(|path| path.join("initdb").is_file() && path.join("psql").is_file())
}

fn unprivileged(program: PathBuf) -> Command {
    let mut command = Command::new(program);
    if rustix::process::getuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.current_dir("/").stdin(Stdio::null());
    command
}

fn own(path: &Path) {
    if rustix::process::getuid().is_root() {
        std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

impl Server {
    /// A server with this password, or none, with a word about it, where PostgreSQL is not installed.
    pub fn start(password: &str) -> Option<Self> {
        let Some(bin) = programs() else {
            super::skip("no PostgreSQL is installed");
            return None;
        };
        let dir = tempfile::Builder::new().prefix("mlp-test-").tempdir().unwrap();
        let (data, file) = (dir.path().join("data"), dir.path().join("password"));
        fs::write(&file, password).unwrap();
        own(dir.path());
        own(&file);
        let made = unprivileged(bin.join("initdb"))
            .args(["-N", "-A", "scram-sha-256", "-U", "ann", "-E", "UTF8", "--locale=C", "--pwfile"])
            .arg(&file)
            .arg("-D")
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = super::free_port();
        let child = unprivileged(bin.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args(["-F", "-h", "127.0.0.1", "-k", "", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let server = Self { _dir: dir, bin, password: password.to_owned(), child, port };
        let since = Instant::now();
        while !server.run("SELECT 1").status.success() {
            assert!(since.elapsed() < LIMIT, "PostgreSQL does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(server)
    }

    fn run(&self, sql: &str) -> std::process::Output {
        unprivileged(self.bin.join("psql"))
            .env("PGPASSWORD", &self.password)
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "ann", "-d", "postgres"])
            .args(["-p", &self.port.to_string(), "-c", sql])
            .output()
            .unwrap()
    }

    /// Runs statements.
    pub fn sql(&self, sql: &str) {
        let done = self.run(sql);
        assert!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// Ends it at once, with all its processes.
    pub fn kill(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::QUIT);
        }
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
