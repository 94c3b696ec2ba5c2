use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// Nobody who would give up.
#[derive(Default)]
struct Patient {
    gives_up: AtomicBool,
}

impl Builder for Patient {
    fn say(&self, _: &str) {}
    fn cancelled(&self) -> bool {
        self.gives_up.load(Ordering::Relaxed)
    }
}

/// A wheel made by hand, so that nothing is downloaded.
const WHEEL: &str = r#"
import sys, zipfile
folder, version = sys.argv[1:]
info = f"tinything-{version}.dist-info"
with zipfile.ZipFile(f"{folder}/tinything-{version}-py3-none-any.whl", "w") as wheel:
    wheel.writestr("tinything.py", f"VERSION = {version!r}\n")
    wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tinything\nVersion: {version}\n")
    wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr(f"{info}/RECORD", "")
"#;

fn python() -> PathBuf {
    let found = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().unwrap();
    String::from_utf8(found.stdout).unwrap().trim().into()
}

struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(bench.dir.path().join("wheels")).unwrap();
        for version in ["1.0", "2.0"] {
            let wheels = bench.dir.path().join("wheels");
            let made =
                Command::new("python3").arg("-c").arg(WHEEL).arg(wheels).arg(version).status().unwrap();
            assert!(made.success());
        }
        bench
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("runtimes")
    }

    fn locked(&self, package: &str) -> RuntimeSpec {
        let path = self.dir.path().join("requirements.txt");
        fs::write(&path, format!("--no-index\n--find-links wheels\n{package}\n")).unwrap();
        let format = LockFormat::Requirements;
        let lock = LockFile { digest: lock_digest(&path, format).unwrap(), path, format, uv: None };
        RuntimeSpec {
            language: "python".into(),
            program: python(),
            version: "3".into(),
            lock: Some(lock),
            env: BTreeMap::new(),
        }
    }
}

fn version_in(runtime: &Runtime) -> String {
    let ask = ["-c", "import tinything; print(tinything.VERSION)"];
    let output = Command::new(&runtime.interpreter).args(ask).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_string()
}

#[test]
fn an_environment_holds_what_is_locked_and_is_built_once() {
    let bench = Bench::new();
    let spec = bench.locked("tinything==1.0");
    assert_eq!(spec.built(&bench.root()), None);
    let runtime = spec.ensure(&bench.root(), &Patient::default()).unwrap();
    assert_eq!(version_in(&runtime), "1.0");
    let made = |runtime: &Runtime| {
        let mark = runtime.bin_dir.as_ref().unwrap().with_file_name(ENVIRONMENT);
        fs::metadata(mark).unwrap().modified().unwrap()
    };
    let first = made(&runtime);
    assert_eq!(made(&spec.ensure(&bench.root(), &Patient::default()).unwrap()), first);

    let other = bench.locked("tinything==2.0").ensure(&bench.root(), &Patient::default()).unwrap();
    assert_ne!(other.interpreter, runtime.interpreter);
    assert_ne!(other.label, runtime.label);
    assert_eq!((version_in(&runtime), version_in(&other)), ("1.0".into(), "2.0".into()));
    // The lock file of the first is another one now: what was built is not asked for it again.
    assert_eq!(spec.ensure(&bench.root(), &Patient::default()).unwrap(), runtime);
}

#[test]
fn what_a_build_that_did_not_end_left_is_never_used() {
    let bench = Bench::new();
    let spec = bench.locked("tinything==1.0");
    let place = bench.root().join(spec.key().unwrap());
    fs::create_dir_all(place.join("bin")).unwrap();
    fs::write(place.join("bin/python3"), "#!/bin/sh\necho half\n").unwrap();
    fs::set_permissions(place.join("bin/python3"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(spec.built(&bench.root()), None);
    let runtime = spec.ensure(&bench.root(), &Patient::default()).unwrap();
    assert_eq!(version_in(&runtime), "1.0");
}

#[test]
fn two_builders_at_once_get_the_same() {
    let bench = Bench::new();
    let spec = bench.locked("tinything==1.0");
    let root = bench.root();
    let built: Vec<Runtime> = std::thread::scope(|scope| {
        let builders: Vec<_> =
            (0..2).map(|_| scope.spawn(|| spec.ensure(&root, &Patient::default()).unwrap())).collect();
        builders.into_iter().map(|builder| builder.join().unwrap()).collect()
    });
    assert_eq!(built[0], built[1]);
    assert_eq!(version_in(&built[0]), "1.0");
}

#[test]
fn a_package_that_is_not_there_fails_with_the_installers_words_and_leaves_nothing() {
    let bench = Bench::new();
    let spec = bench.locked("tinything==9.9");
    let problem = spec.ensure(&bench.root(), &Patient::default()).unwrap_err();
    assert_eq!(problem.code, "MLP0772");
    assert!(problem.notes.iter().any(|line| line.contains("tinything==9.9")), "{problem}");
    assert!(!bench.root().join(spec.key().unwrap()).exists());
}

#[test]
fn a_build_can_be_given_up_and_a_changed_lock_file_is_not_installed() {
    let bench = Bench::new();
    let spec = bench.locked("tinything==1.0");
    let impatient = Patient::default();
    impatient.gives_up.store(true, Ordering::Relaxed);
    let problem = spec.ensure(&bench.root(), &impatient).unwrap_err();
    assert!(problem.message.contains("cancelled"), "{problem}");
    bench.locked("tinything==2.0");
    let problem = spec.ensure(&bench.root(), &Patient::default()).unwrap_err();
    assert!(problem.message.contains("changed since it was recorded"), "{problem}");
}

#[test]
fn an_interpreter_that_was_replaced_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("tool");
    let says = |version: &str| {
        fs::write(&program, format!("#!/bin/sh\necho tool {version} >&2\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    };
    says("2.4.1");
    let spec = |version: &str| RuntimeSpec {
        language: "tool".into(),
        program: program.clone(),
        version: version.into(),
        lock: None,
        env: BTreeMap::new(),
    };
    let verify = |version: &str| {
        let runtime = spec(version).built(dir.path()).unwrap();
        spec(version).verify(&runtime)
    };
    for version in ["2.4.1", "by tool 2.4.1", ""] {
        verify(version).unwrap();
    }
    says("2.5.0");
    let problem = verify("2.4.1").unwrap_err();
    assert!(problem.message.contains("no longer version 2.4.1: it says `tool 2.5.0`"), "{problem}");
    fs::remove_file(&program).unwrap();
    assert_eq!(verify("2.4.1").unwrap_err().code, "MLP0774");
}

#[test]
fn without_a_lock_the_program_itself_is_the_environment() {
    let spec = RuntimeSpec {
        language: "r".into(),
        program: "/usr/bin/Rscript".into(),
        version: "4.2.2".into(),
        lock: None,
        env: BTreeMap::from([("LANG".into(), "de".into())]),
    };
    let runtime = spec.ensure(Path::new("/nowhere"), &Patient::default()).unwrap();
    assert_eq!(runtime.bin_dir.as_deref(), Some(Path::new("/usr/bin")));
    assert_eq!(runtime.label, "r 4.2.2 LANG=de");
}
