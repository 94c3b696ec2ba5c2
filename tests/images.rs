//! Images built by the whole program and pushed to a real registry: `MLP_RIG_REGISTRY`, with the base image `MLP_RIG_IMAGE`, which has
//! a python. On a cluster whose pods run, `MLP_RIG_REAL_KUBECONFIG`, they run there.
#![cfg(feature = "kubernetes")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test says what it expects by failing"
)]

mod support;

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use support::scratch::Scratch;
use support::{Output, named, program};

/// A program that runs in every image, and is small.
const SMALL: &str = "/bin/busybox";

/// A project whose images go to the registry of the rig.
struct World {
    scratch: Scratch,
    registry: String,
    base: String,
    name: String,
}

impl World {
    /// Nothing, loudly, where there is no registry.
    fn new(specification: &str) -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let (Some(registry), Some(base)) = (named("MLP_RIG_REGISTRY"), named("MLP_RIG_IMAGE")) else {
            support::skip("MLP_RIG_REGISTRY and MLP_RIG_IMAGE name no registry of images");
            return None;
        };
        if !Path::new(SMALL).is_file() {
            support::skip("there is no static busybox in /bin");
            return None;
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("images-{}-{number}", std::process::id());
        let world = Self { scratch: Scratch::new(""), registry, base, name };
        world.specify(specification);
        world.scratch.write("src/app.py", "WORD = 'from the image'\n");
        Some(world)
    }

    fn specify(&self, specification: &str) {
        let (name, registry) = (&self.name, &self.registry);
        let head = format!(
            "project \"{name}\" {{}}\nprovider \"kubernetes\" \"c\" {{\n  namespace = \"{name}\"\n}}\n\
             environment \"onprem\" {{\n  provider = provider.kubernetes.c\n}}\n\
             registry \"images\" {{\n  kind = \"image\"\n  uri  = \"{registry}/team\"\n}}\n"
        );
        self.scratch.write("main.mlp", &(head + &specification.replace("BASE", &self.base)));
    }

    fn command(&self, root: &Path, arguments: &[&str]) -> Command {
        let mut command = program(&self.scratch.dir.path().join("home"));
        command.args(arguments).args(["-e", "onprem"]).current_dir(root);
        command
    }

    fn mlp(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(&self.scratch.root(), arguments);
        if let Some(kubeconfig) = named("MLP_RIG_REAL_KUBECONFIG") {
            command.env("KUBECONFIG", kubeconfig);
        }
        support::run(&mut command)
    }

    fn build(&self, more: &[&str]) -> Output {
        self.mlp(&[&["image", "build", "--program", SMALL], more].concat())
    }

    /// The digest that a build ends with.
    fn digest(&self) -> String {
        let built = self.build(&["--json"]).ended(0).json();
        built["images"][0]["digest"].as_str().unwrap().to_owned()
    }
}

const PLAIN: &str = r#"runtime "py" {
  base    = "BASE"
  version = ">=3.9"
}
pipeline "one" {
  engine = "job"
  step "say" {
    runtime = runtime.py
    code    = "src"
    run     = "python3 -c 'import app, os; print(app.WORD, os.getcwd())' && mlp true"
  }
}
"#;

#[test]
fn the_same_makes_the_same_image_wherever_it_is_built() {
    let Some(world) = World::new(PLAIN) else { return };
    let built = world.build(&[]).ended(0);
    built.says("runtime.py  127.0.0.1:").says("/py@sha256:").says("program").says("src");
    let first = world.digest();
    world.build(&[]).ended(0).says(&first).says("(as before)").says("0 B pushed");

    // Other moments, another place, another cache.
    let touched = Command::new("touch").arg(world.scratch.root().join("src/app.py")).status().unwrap();
    assert!(touched.success());
    assert_eq!(world.digest(), first);
    let other = world.scratch.dir.path().join("elsewhere");
    support::copy_all(&world.scratch.root(), &other);
    std::fs::remove_file(other.join("mlp.lock")).unwrap();
    let mut command = world.command(&other, &["image", "build", "--program", SMALL, "--json"]);
    command.env("XDG_CACHE_HOME", world.scratch.dir.path().join("cache"));
    let built = support::run(&mut command).ended(0).json();
    assert_eq!(built["images"][0]["digest"], *first);
    assert_eq!(built["images"][0]["pushed"], 0, "what the registry has is not sent again");

    world.scratch.write("src/app.py", "WORD = 'other'\n");
    assert_ne!(world.digest(), first);
}

#[test]
fn an_image_is_what_other_tools_take_for_one() {
    let Some(world) = World::new(PLAIN) else { return };
    let folder = world.scratch.dir.path().join("layout");
    let to = format!("oci:{}", folder.display());
    world.build(&["--to", &to]).ended(0).says(&to);
    assert!(!world.scratch.root().join("mlp.lock").exists(), "what is not pushed is not noted");
    let Ok(inspected) = Command::new("skopeo").args(["inspect", "--config"]).arg(&to).output() else {
        return support::skip("skopeo is not there");
    };
    assert!(inspected.status.success(), "{}", String::from_utf8_lossy(&inspected.stderr));
    let config: serde_json::Value = serde_json::from_slice(&inspected.stdout).unwrap();
    assert_eq!(config["created"], "1970-01-01T00:00:00Z");
    assert_eq!(config["config"]["Labels"]["dev.mlp.runtime"], "runtime.py");
    let layers = config["rootfs"]["diff_ids"].as_array().unwrap().len();
    assert_eq!(
        config["history"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["created_by"] == "mlp image build")
            .count(),
        2
    );
    // It reads every layer, and compares every digest.
    let copy = format!("oci:{}", world.scratch.dir.path().join("copy").display());
    let copied = Command::new("skopeo").args(["--insecure-policy", "copy", &to, &copy]).output().unwrap();
    assert!(copied.status.success(), "{} layers: {}", layers, String::from_utf8_lossy(&copied.stderr));

    std::fs::write(world.scratch.dir.path().join("file"), "").unwrap();
    let here = world.scratch.dir.path().display().to_string();
    world.build(&["--out", &here]).ended(1).says("MLP0884").says("something else than an image");
}

#[test]
fn a_plan_wants_what_is_there_now() {
    let Some(world) = World::new(PLAIN) else { return };
    let place = world.scratch.place("base ");
    let unbuilt = world.mlp(&["emit", "yaml"]).ended(1).says("MLP0873").says(&place);
    unbuilt.says("the image of runtime.py is not built yet").says("run `mlp image build -e onprem`");
    let digest = world.digest();
    let lock = std::fs::read_to_string(world.scratch.root().join("mlp.lock")).unwrap();
    assert!(lock.contains("image \"onprem\" \"runtime.py\"") && lock.contains(&digest), "{lock}");
    let written = world.mlp(&["emit", "yaml"]).ended(0);
    written.says(&format!("@{digest}")).says("workingDir: /mlp/code/src").says("PYTHONPATH");
    world.scratch.write("src/app.py", "WORD = 'other'\n");
    world.mlp(&["emit", "yaml"]).ended(1).says("MLP0873").says("was built of something else");
    world.digest();
    world.mlp(&["emit", "yaml"]).ended(0);
}

#[test]
fn what_cannot_be_built_says_why() {
    let Some(world) = World::new(PLAIN) else { return };
    world
        .build(&["runtime.pi"])
        .ended(1)
        .says("MLP0960")
        .says("no image is built for `runtime.pi`")
        .says("runtime.py");
    world.build(&["--platform", "linux/arm64"]).ended(1).says("MLP0880").says("is for linux/");
    world.build(&["--platform", "plan9/amd64"]).ended(1).says("MLP0912").says("linux/amd64");
    world
        .mlp(&["image", "build", "--program", "/etc/passwd"])
        .ended(1)
        .says("MLP0885")
        .says("no 64-bit program");
    world.specify(&PLAIN.replace(">=3.9", ">=4"));
    world.build(&[]).ended(1).says("MLP0880").says("`>=4` is needed").says(&world.scratch.place("base "));
    world.specify(&PLAIN.replace("BASE", &format!("{}/no/such:1", world.registry)));
    world.build(&[]).ended(1).says("MLP0883").says("there is no such image");
    world.specify(&PLAIN.replace("BASE", "127.0.0.1:9/no/such:1"));
    world.build(&[]).ended(1).says("MLP0883").says("127.0.0.1:9");
    world.specify(&PLAIN.replace("code    = \"src\"", "code    = \"scr\""));
    world.build(&[]).ended(1).says("there is no directory `scr`");
    world.specify(&format!("registry \"more\" {{\n  kind = \"image\"\n  uri  = \"r.example\"\n}}\n{PLAIN}"));
    world.build(&[]).ended(1).says("MLP0960").says("into which registry").says("registry = registry.images");
    world.specify(&PLAIN.replace("version =", "lock    = \"requirements.lock\"\n  version ="));
    world.build(&[]).ended(1).says("there is no file `requirements.lock`");
    world.scratch.write("requirements.lock", "six==1.17.0\n");
    world
        .build(&[])
        .ended(1)
        .says("MLP0881")
        .says("line 1")
        .says("no SHA-256")
        .says(&world.scratch.place("lock "));
}

/// The packages of an example, from the index that this machine uses.
const PACKAGES: &str = r#"runtime "py" {
  base = "BASE"
  lock = "requirements.lock"
}
component "server" {
  runtime = runtime.py
  code    = "src"
  serve   = "python3 -m http.server $MLP_PORT"
}
endpoint "files" {
  serve = component.server
}
pipeline "one" {
  engine = "job"
  step "say" {
    runtime = runtime.py
    code    = "src"
    run     = "python3 -c 'import sklearn, pandas, pyarrow, joblib, app; print(app.WORD, sklearn.__version__, __import__(\"sys\").prefix)'"
  }
}
"#;

#[test]
fn locked_packages_and_code_run_in_pods() {
    let Some(world) = World::new(PACKAGES) else { return };
    let (Some(kubeconfig), Some(kubectl)) = (named("MLP_RIG_REAL_KUBECONFIG"), named("MLP_RIG_KUBECTL"))
    else {
        return support::skip("MLP_RIG_REAL_KUBECONFIG and MLP_RIG_KUBECTL name no cluster whose pods run");
    };
    let kubectl = |arguments: &[&str]| {
        support::run(Command::new(&kubectl).env("KUBECONFIG", &kubeconfig).args(arguments)).ended(0)
    };
    let lock = support::folder("examples/churn-sklearn/requirements.lock");
    std::fs::copy(lock, world.scratch.root().join("requirements.lock")).unwrap();
    let built = world.build(&[]);
    if built.code != Some(0) && built.all().contains("cannot get https://") {
        return support::skip("the package index cannot be reached");
    }
    built.ended(0).says("wheels for python 3.");
    kubectl(&["create", "namespace", &world.name]);
    world.mlp(&["up", "-auto-approve"]).ended(0).never_says("runtime.py  127");
    world.mlp(&["plan", "-detailed-exitcode"]).ended(0);
    world.mlp(&["run", "pipeline.one"]).ended(0).says("from the image 1.").says("/mlp/venv");

    // Other code is another image, which `up` builds by itself.
    world.scratch.write("src/app.py", "WORD = 'from another image'\n");
    world.mlp(&["plan"]).ended(1).says("MLP0873");
    world.mlp(&["up", "-auto-approve"]).ended(0).says("runtime.py  127");
    world.mlp(&["run", "pipeline.one"]).ended(0).says("from another image 1.");
    world.mlp(&["destroy", "-auto-approve"]).ended(0);
    kubectl(&["delete", "namespace", &world.name, "--wait=false"]);
}
