//! The whole program on a real cluster where pods only pretend: `MLP_RIG_PRETEND_KUBECONFIG` names it, and `MLP_RIG_KUBECTL` the
//! program that looks at it from outside. On one whose pods run, `MLP_RIG_REAL_KUBECONFIG`, steps and endpoints really do, in the
//! image `MLP_RIG_IMAGE`, which has a python. Built with the feature `kubernetes`.
#![cfg(feature = "kubernetes")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test says what it expects by failing"
)]

#[path = "kubernetes/manifest.rs"]
mod manifest;
#[path = "kubernetes/state.rs"]
mod state;
mod support;

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use support::scratch::Scratch;
use support::{Output, named, program};

/// A namespace of its own in the cluster, and a project; both go with the test.
struct World {
    scratch: Scratch,
    kubeconfig: String,
    kubectl: String,
    namespace: String,
}

impl World {
    /// Nothing, loudly, where no cluster is named.
    fn new() -> Option<Self> {
        Self::on("MLP_RIG_PRETEND_KUBECONFIG")
    }

    fn on(cluster: &str) -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let (Some(kubeconfig), Some(kubectl)) = (named(cluster), named("MLP_RIG_KUBECTL")) else {
            support::skip(&format!("{cluster} and MLP_RIG_KUBECTL name no cluster"));
            return None;
        };
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("mlp-program-{}-{number}", std::process::id());
        let world = Self { scratch: Scratch::new(""), kubeconfig, kubectl, namespace };
        world.kubectl(&["create", "namespace", &world.namespace]);
        Some(world)
    }

    /// With the example as its project.
    fn of_example() -> Option<Self> {
        let world = Self::new()?;
        support::copy(&support::folder("examples/cluster"), &world.scratch.root());
        Some(world)
    }

    /// With a specification of its own.
    fn of(specification: &str) -> Option<Self> {
        let world = Self::new()?;
        world.specify(specification);
        Some(world)
    }

    fn specify(&self, specification: &str) {
        let head = "project \"p\" {}\nvariable \"namespace\" { type = string }\nprovider \"kubernetes\" \"c\" {\n  \
                    namespace = var.namespace\n}\nenvironment \"onprem\" {\n  provider = provider.kubernetes.c\n}\n\
                    environment \"dev\" {\n  provider = provider.kubernetes.c\n  mode     = \"development\"\n}\n\
                    environment \"live\" {\n  provider = provider.kubernetes.c\n  mode     = \"production\"\n}\n";
        self.scratch.write("main.mlp", &format!("{head}{specification}"));
    }

    fn command(&self, environment: &str, user: &str, arguments: &[&str]) -> Command {
        let mut command = program(&self.scratch.dir.path().join("home"));
        command.env("KUBECONFIG", &self.kubeconfig).env("USER", user);
        command.args(arguments).args(["-e", environment]);
        self.scratch.write("mlp.mlpvars", &format!("namespace = \"{}\"\n", self.namespace));
        command.current_dir(self.scratch.root());
        command
    }

    fn mlp(&self, arguments: &[&str]) -> Output {
        support::run(&mut self.command("onprem", "ann", arguments))
    }

    fn kubectl(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(&self.kubectl);
        command.env("KUBECONFIG", &self.kubeconfig).args(arguments);
        support::run(&mut command).ended(0).stdout
    }

    fn here(&self, arguments: &[&str]) -> String {
        self.kubectl(&[&["-n", &self.namespace], arguments].concat())
    }

    /// Every object of the namespace, without those that clusters make and end by themselves.
    fn objects(&self) -> Vec<String> {
        let kinds = self.kubectl(&["api-resources", "--namespaced", "--verbs=list", "-o", "name"]);
        let passing =
            ["events", "events.events.k8s.io", "pods", "endpoints", "endpointslices.discovery.k8s.io"];
        let kinds: Vec<&str> = kinds.lines().filter(|kind| !passing.contains(kind)).collect();
        let listed = self.here(&["get", &kinds.join(","), "-o", "name"]);
        listed.lines().map(str::to_owned).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let mut command = Command::new(&self.kubectl);
        command.env("KUBECONFIG", &self.kubeconfig);
        command.args(["delete", "namespace", &self.namespace, "--wait=false"]);
        // A namespace that stays behind is the cluster's, which ends with it.
        let _ = command.output();
    }
}

#[test]
fn the_example_lives_and_leaves_nothing() {
    let Some(world) = World::of_example() else { return };
    let before = world.objects();
    let place = format!("namespace {}", world.namespace);
    world.mlp(&["plan"]).ended(0).says("(context ").says(&place).says("7 to add");
    world.mlp(&["apply", "-auto-approve"]).ended(0).says("Applied: 7 added").says(".svc:8080");
    world.mlp(&["plan", "-detailed-exitcode"]).ended(0).says("No changes");
    world.mlp(&["status"]).ended(0).says("Deployment").says("1 pods are ready").never_says("degraded");

    // A run is a Job, with the parameter that was given.
    world.mlp(&["run", "pipeline.nightly", "--param", "rate=0.3"]).ended(0).says("succeeded");
    world.mlp(&["run", "pipeline.nightly", "--param", "rote=1"]).ended(1).says("MLP0871").says("`rate`");
    world.mlp(&["runs"]).ended(0).says("pipeline.nightly").says("ann@");
    let value =
        "jsonpath={.items[*].spec.template.spec.containers[0].env[?(@.name=='MLP_PARAM_rate')].value}";
    assert_eq!(world.here(&["get", "jobs", "-o", value]), "0.3");

    // What changes in the specification is the plan, and nothing else is.
    let text = std::fs::read_to_string(world.scratch.root().join("main.mlp")).unwrap();
    let with = |from: &str, to: &str| world.scratch.write("main.mlp", &text.replace(from, to));
    with("rate = 0.1", "rate = 0.2");
    let planned = world.mlp(&["plan"]).ended(0).says("0 to add, 1 to change, 0 to destroy");
    let planned = planned.says("\"0.1\" -> \"0.2\"");
    planned.never_says("endpoint.scores will").never_says("Changed outside");
    with("max = 3 }", "max = 5 }");
    world.mlp(&["plan"]).ended(0).says("maxReplicas = 3 -> 5").says("1 to change");
    with("max = 3 }", "max = 3 }");
    world.mlp(&["plan", "-detailed-exitcode"]).ended(0);

    world.mlp(&["destroy", "-auto-approve"]).ended(0).says("a volume of 1Gi").says("7 destroyed");
    assert_eq!(world.objects(), before);
}

#[test]
fn what_others_change_is_shown_and_taken_back_when_asked() {
    let Some(world) = World::of_example() else { return };
    world.mlp(&["apply", "-auto-approve"]).ended(0);
    // Replicas are the autoscaler's, fields that we never set are anybody's.
    world.here(&["scale", "deployment/scorer-onprem-scores", "--replicas=2"]);
    world.here(&["label", "configmap/scorer-onprem-orders", "seen=yes"]);
    world.here(&["rollout", "restart", "deployment/scorer-onprem-scores"]);
    world.mlp(&["plan", "-detailed-exitcode"]).ended(0).says("No changes");
    world.here(&["set", "env", "deployment/scorer-onprem-scores", "LOG_LEVEL=debug"]);
    world.mlp(&["drift"]).says("\"info\" -> \"debug\"");
    let refused = world.mlp(&["plan"]).ended(1).says("MLP0867").says("kubectl-set").says("main.mlp:");
    refused.says("--force-conflicts");
    world.mlp(&["plan", "--force-conflicts"]).ended(0).says("\"debug\" -> \"info\"").says("1 to change");
    world.mlp(&["apply", "--force-conflicts", "-auto-approve"]).ended(0);
    world.mlp(&["plan", "-detailed-exitcode"]).ended(0);
    // What somebody deleted is made again.
    world.here(&["delete", "configmap/scorer-onprem-orders"]);
    world.mlp(&["plan"]).ended(0).says("deleted outside mlp").says("1 to add");
    world.mlp(&["apply", "-auto-approve"]).ended(0);
    world.mlp(&["destroy", "-auto-approve"]).ended(0);
}

#[test]
fn a_lost_state_is_made_anew_from_the_cluster() {
    let Some(world) = World::of_example() else { return };
    world.mlp(&["apply", "-auto-approve"]).ended(0);
    let all = world.objects();
    std::fs::remove_dir_all(world.scratch.root().join(".mlp")).unwrap();
    // Without a state nothing of it is touched.
    world.mlp(&["plan"]).ended(1).says("belongs to somebody else");
    world.mlp(&["state", "rebuild"]).ended(0).says("endpoint.scores/service");
    // Outputs were told by applies alone.
    world.mlp(&["plan"]).ended(0).says("only outputs change, and nothing in the target");
    world.mlp(&["apply", "-auto-approve"]).ended(0);
    world.mlp(&["plan", "-detailed-exitcode"]).ended(0).says("No changes");
    assert_eq!(world.objects(), all);
    world.mlp(&["destroy", "-auto-approve"]).ended(0);
}

#[test]
fn an_apply_that_is_killed_is_finished_by_the_next() {
    let Some(world) = World::of_example() else { return };
    let before = world.objects();
    let kills = named("MLP_KILLS").map_or(15, |kills| kills.parse().expect("MLP_KILLS is a number"));
    // Another set of moments each time, which a failure names.
    let mut chance = u64::from(std::process::id());
    for _ in 0..kills {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let moment = 20 + (chance >> 33) % 600;
        let mut command = world.command("onprem", "ann", &["apply", "-auto-approve"]);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut child = command.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(moment));
        child.kill().unwrap();
        child.wait().unwrap();
        world.mlp(&["apply", "-auto-approve"]).ended(0);
        world.mlp(&["plan", "-detailed-exitcode"]).ended(0);
        let listed = world.here(&["get", "deployments,services,configmaps,cronjobs,pvc", "-o", "name"]);
        assert_eq!(listed.lines().filter(|name| name.contains("scorer-onprem")).count(), 5, "{listed}");
        world.mlp(&["destroy", "-auto-approve"]).ended(0);
        assert_eq!(world.objects(), before, "after {moment} ms");
    }
}

#[test]
fn two_users_in_development_never_touch_each_other() {
    let specification = "storage \"lake\" {\n  kind = \"volume\"\n  size = \"1GiB\"\n}\ndataset \"d\" {\n  storage = storage.lake\n}\n";
    let Some(world) = World::of(specification) else { return };
    let as_user = |user: &str, arguments: &[&str]| support::run(&mut world.command("dev", user, arguments));
    std::thread::scope(|scope| {
        for user in ["ann", "bob"] {
            scope.spawn(move || as_user(user, &["apply", "-auto-approve"]).ended(0));
        }
    });
    let claims = world.here(&["get", "pvc", "-o", "name"]);
    assert_eq!(claims.lines().count(), 2, "{claims}");
    as_user("ann", &["destroy", "-auto-approve"]).ended(0);
    as_user("bob", &["plan", "-detailed-exitcode"]).ended(0);
    as_user("bob", &["destroy", "-auto-approve"]).ended(0);
    assert_eq!(world.here(&["get", "pvc", "-o", "name"]), "");
}

#[test]
fn what_a_cluster_cannot_be_given_is_refused_with_its_line() {
    const IMAGE: &str = "r.io/x@sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b";
    let Some(world) = World::of("") else { return };
    let step = |inside: &str| format!("pipeline \"p\" {{\n  step \"fit\" {{\n{inside}\n  }}\n}}\n");
    let of_floor = "registry \"r\" {}\nruntime \"r\" {\n  image = \"r.io/x:1\"\n}\ndataset \"d\" {}\n";
    for (environment, specification, code, said) in [
        ("onprem", "storage \"s\" {\n}\n".to_owned(), "MLP0862", "kind = \"volume\""),
        ("onprem", "storage \"s\" {\n  kind = \"volume\"\n}\n".to_owned(), "MLP0864", "size"),
        ("onprem", step("    run = \"true\""), "MLP0863", "image"),
        ("onprem", step(&format!("    run = \"true\"\n    code = \"src\"\n    runtime = {{ image = \"{IMAGE}\" }}")), "MLP0862", "`code` beside a finished image"),
        ("live", step("    run = \"true\"\n    runtime = { image = \"r.io/x:1\" }"), "MLP0863", "not pinned"),
        ("onprem", "endpoint \"e\" {\n  serve   = \"serve\"\n  runtime = { image = \"r.io/x:1\" }\n  scaling = { min = 1, max = 2 }\n}\n".to_owned(), "MLP0864", "cpu"),
        ("onprem", "registry \"r\" {\n  kind = \"image\"\n}\n".to_owned(), "MLP0864", "where the registry of images"),
        ("onprem", "registry \"r\" {\n}\n".to_owned(), "MLP0863", "no runtime of this environment"),
        ("onprem", "dataset \"d\" {\n}\n".to_owned(), "MLP0864", "has no registry"),
        ("onprem", format!("{of_floor}{}", step("    run = \"true\"\n    writes = [dataset.d]\n    compute = { cpu = 1 }")), "MLP0862", "`compute`"),
        ("onprem", format!("{of_floor}{}", step("    run = \"true\"\n    writes = [dataset.d]\n    runtime = { image = \"r.io/y:1\" }\n  }\n  step \"g\" {\n    run = \"true\"\n    runtime = runtime.r")), "MLP0863", "two images"),
        ("onprem", "secret \"s\" {\n  from = \"env:TOKEN\"\n}\n".to_owned(), "MLP0864", "k8s:"),
        ("onprem", "resource \"kubernetes_deployment\" \"d\" {\n  selector = { matchLabels = { a = \"b\" } }\n  template = { metadata = { labels = { a = \"b\" } }, spec = { containers = [{ name = \"x\", imagee = \"y\" }] } }\n}\n".to_owned(), "MLP0866", "imagee"),
        ("onprem", "resource \"kubernetes_persistent_volume_claim\" \"d\" {\n  accessModes = [\"ReadWriteOnce\"]\n  resources = { requests = { storage = \"1024Mi\" } }\n}\n".to_owned(), "MLP0864", "1Gi"),
    ] {
        world.specify(&specification);
        let refused = support::run(&mut world.command(environment, "ann", &["plan"]));
        refused.ended(1).says(code).says(said).says("main.mlp:");
    }
    assert_eq!(world.here(&["get", "deployments,pvc,cronjobs", "-o", "name"]), "");
    // A namespace that is not there, and a context that is not there, are said before anything is changed.
    world.specify("storage \"s\" {\n  kind = \"volume\"\n  size = \"1GiB\"\n}\n");
    let mut command = world.command("onprem", "ann", &["plan"]);
    support::run(command.arg("--var").arg("namespace=nobody-made-it")).ended(1).says("create namespace");
}

#[test]
fn a_native_resource_is_declared_by_its_own_fields() {
    let data = "resource \"kubernetes_config_map\" \"c\" {\n  data = { a = \"1\", port = 80 }\n}\n";
    let Some(world) = World::of(data) else { return };
    world.mlp(&["apply", "-auto-approve"]).ended(0);
    assert_eq!(world.here(&["get", "configmap/p-onprem-c", "-o", "jsonpath={.data.a}"]), "1");
    world.specify(&data.replace("\"1\"", "\"2\""));
    world.mlp(&["apply", "-auto-approve"]).ended(0).says("1 changed");
    // A field that cannot be changed makes the object anew, with the reason.
    world.specify(&data.replace("data =", "immutable = true\n  data ="));
    world.mlp(&["plan"]).ended(0).says("immutable").says("1 to destroy");
    world.mlp(&["apply", "-auto-approve"]).ended(0);
    world.mlp(&["plan", "-detailed-exitcode"]).ended(0);
    // What was moved keeps its object.
    world.specify(&format!(
        "{}moved {{\n  from = kubernetes_config_map.c\n  to   = kubernetes_config_map.d\n}}\n",
        data.replace("\"c\"", "\"d\"").replace("data =", "immutable = true\n  data =")
    ));
    world.mlp(&["apply", "-auto-approve"]).ended(0).says("0 destroyed");
    world.here(&["get", "configmap/p-onprem-c"]);
    world.mlp(&["plan", "-detailed-exitcode"]).ended(0);
    world.mlp(&["destroy", "-auto-approve"]).ended(0);
}

/// What `mlp emit rbac` writes is enough, and a verb that is missing is told before anything is changed.
#[test]
fn the_emitted_role_is_enough_and_a_missing_verb_is_told_before_anything_is_changed() {
    let Some(world) = World::of_example() else { return };
    let role = world.mlp(&["emit", "rbac"]).ended(0).stdout;
    let given = |role: &str| {
        world.scratch.write("role.yaml", role);
        world.kubectl(&["apply", "-f", world.scratch.root().join("role.yaml").to_str().unwrap()]);
    };
    given(&role);
    let accounts = world.here(&["get", "serviceaccounts", "-o", "name"]);
    let account = accounts.lines().find_map(|name| name.strip_prefix("serviceaccount/mlp-")).unwrap();
    let token = world.here(&["create", "token", &format!("mlp-{account}")]);
    let config = world.kubectl(&["config", "view", "--raw", "-o", "json"]);
    let mut config: serde_json::Value = serde_json::from_str(&config).unwrap();
    config["users"][0]["user"] = serde_json::json!({ "token": token.trim() });
    world.scratch.write("limited.kubeconfig", &config.to_string());
    let mlp = |arguments: &[&str]| {
        let mut command = world.command("onprem", "ann", arguments);
        support::run(command.env("KUBECONFIG", world.scratch.root().join("limited.kubeconfig")))
    };
    let before = world.objects();
    let without = |verb: &str| {
        let kept: Vec<&str> =
            role.lines().filter(|line| line.trim().trim_start_matches("- ") != verb).collect();
        assert!(kept.len() < role.lines().count(), "{verb}: {role}");
        given(&format!("{}\n", kept.join("\n")));
    };
    for verb in ["create", "patch", "watch"] {
        without(verb);
        let said = mlp(&["apply", "-auto-approve"]).ended(1).says("MLP0870").says("nothing was changed");
        said.says(&format!("may not {verb} ")).says("deployments.apps").says("emit rbac");
        assert_eq!(world.objects(), before, "without {verb}");
    }
    given(&role);
    mlp(&["apply", "-auto-approve"]).ended(0);
    mlp(&["run", "pipeline.nightly"]).ended(0).says("succeeded");
    mlp(&["status"]).ended(0);
    let made = world.objects();
    without("delete");
    mlp(&["destroy", "-auto-approve"]).ended(1).says("may not delete ").says("configmaps");
    assert_eq!(world.objects(), made);
    given(&role);
    mlp(&["destroy", "-auto-approve"]).ended(0);
    for line in role.lines().filter(|line| line.contains(&world.namespace) && line.starts_with("  name: ")) {
        let name = line.trim_start_matches("  name: ").trim_matches('"');
        world.kubectl(&[
            "delete",
            "--ignore-not-found",
            &format!("clusterrole/{name}"),
            &format!("clusterrolebinding/{name}"),
        ]);
    }
}

/// What `mlp emit yaml` writes is what the cluster takes from anybody; it stays the same, and only its own files are touched.
#[test]
fn what_is_written_for_others_can_be_applied_by_them() {
    let Some(world) = World::of_example() else { return };
    let folder = world.scratch.root().join("manifests");
    let emit = || world.mlp(&["emit", "--to", "yaml", "--out", "manifests"]);
    emit().ended(0).says("written to manifests");
    let files = || -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| {
                (path.file_name().unwrap().to_string_lossy().into(), std::fs::read_to_string(&path).unwrap())
            })
            .collect();
        all.sort();
        all
    };
    let first = files();
    let names: Vec<&str> = first.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.iter().any(|name| name.starts_with("endpoint.")), "{names:?}");
    emit().ended(0);
    assert_eq!(files(), first);
    // Another tool applies it, and mlp does not take it for its own.
    let path = folder.to_str().unwrap();
    world.kubectl(&["apply", "--server-side", "-f", path]);
    world.mlp(&["plan"]).ended(1).says("MLP").says("exists");
    world.kubectl(&["delete", "-f", path]);
    // What is declared no more is written no more; what others wrote stays.
    std::fs::write(folder.join("endpoint.other.yaml"), "kind: X\n").unwrap();
    let text = std::fs::read_to_string(world.scratch.root().join("main.mlp")).unwrap();
    world.scratch.write(
        "main.mlp",
        &format!("{text}resource \"kubernetes_config_map\" \"other\" {{\n  data = {{ a = \"1\" }}\n}}\n"),
    );
    emit().ended(0);
    assert_eq!(files().len(), first.len() + 2);
    world.scratch.write("main.mlp", &text);
    emit().ended(0);
    assert_eq!(files().len(), first.len() + 1);
    std::fs::write(folder.join(names[0]), "kind: X\n").unwrap();
    emit().ended(1).says("MLP0937").says(names[0]);
    world.mlp(&["emit", "--to", "kfp"]).ended(1).says("MLP0931").says("yaml");
    world.mlp(&["emit"]).ended(1).says("FORM");
}

/// Two steps that hand on a file, and an endpoint that answers with what it was given.
const REAL: &str = r#"
runtime "python" {
  image = "IMAGE"
}
secret "word" {
  from = "k8s:words/word"
}
storage "lake" {
  kind = "volume"
  size = "64MiB"
}
pipeline "two" {
  storage = storage.lake
  params  = { rate = 0.1, word = "it's $(here) $HOME" }
  step "make" {
    runtime = runtime.python
    run     = "echo made $MLP_STEP of $MLP_RUN_ID; printf '%s|%s' ${param.rate} ${param.word} > ${output.text}"
    outputs = { text = "file" }
  }
  step "use" {
    runtime = runtime.python
    run     = ["python3", "-c", "import sys, os; t = open(sys.argv[1]).read(); print('used', t, os.environ['WORD'])", input.text]
    inputs  = { text = step.make.text }
    secrets = { WORD = secret.word }
  }
}
pipeline "broken" {
  step "fail" {
    runtime = runtime.python
    run     = "echo the reason; exit 3"
  }
}
pipeline "forgets" {
  step "forget" {
    runtime = runtime.python
    run     = "true"
    outputs = { text = "file" }
  }
}
component "server" {
  runtime = runtime.python
  serve   = "python3 -m http.server $MLP_PORT"
}
endpoint "files" {
  serve = component.server
}
"#;

#[test]
fn steps_and_endpoints_run_in_real_pods() {
    let Some(world) = World::on("MLP_RIG_REAL_KUBECONFIG") else { return };
    let image = named("MLP_RIG_IMAGE").expect("the cluster names its image");
    world.here(&["create", "secret", "generic", "words", "--from-literal=word=hush"]);
    world.specify(&REAL.replace("IMAGE", &image));
    world.mlp(&["apply", "-auto-approve"]).ended(0);
    world.mlp(&["plan", "-detailed-exitcode"]).ended(0);
    world.mlp(&["status"]).ended(0).says("1 pods are ready");

    let run = world.mlp(&["run", "pipeline.two", "--param", "rate=0.5"]).ended(0);
    run.says("made make of p-onprem-two-").says("used 0.5|it's $(here) $HOME hush");
    world.mlp(&["logs", "pipeline.two"]).ended(0).says("used 0.5");
    world.mlp(&["run", "pipeline.broken"]).ended(1).says("ended with status 3").says("the reason");
    world.mlp(&["run", "pipeline.forgets"]).ended(1).says("the output text is missing");

    // From a pod beside it the endpoint answers under its name.
    let url = format!("http://p-onprem-files.{}.svc:8080", world.namespace);
    let ask = format!("import urllib.request as r; print(r.urlopen('{url}').status)");
    let flag = format!("--image={image}");
    world.here(&["run", "ask", &flag, "--restart=Never", "--", "python3", "-c", &ask]);
    world.here(&["wait", "pod/ask", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s"]);
    assert_eq!(world.here(&["logs", "ask"]).trim(), "200");

    // What cannot start says why, in the words of the cluster.
    let broken = REAL.replace("IMAGE", &image);
    world.specify(&broken.replace("python3 -m http.server $MLP_PORT", "echo no such model; exit 4"));
    let failed = world.mlp(&["apply", "-auto-approve"]).ended(1);
    failed.says("CrashLoopBackOff").says("no such model").says("main.mlp:");
    world.mlp(&["destroy", "-auto-approve"]).ended(0);
}

const ROW: &str = r#"{"rows": [{"tenure_months": 3, "plan": "premium", "monthly_charge": 82.5, "support_calls": 5, "satisfaction": 2.1, "autopay": false}]}"#;

/// The churn platform from `examples/churn`, for the registry of the cluster.
fn churn() -> Option<World> {
    let world = World::on("MLP_RIG_REAL_KUBECONFIG")?;
    support::copy(&support::folder("examples/churn"), &world.scratch.root());
    let registry = named("MLP_RIG_REGISTRY").expect("the cluster names its registry");
    let base = named("MLP_RIG_IMAGE").expect("the cluster names its image");
    let text = std::fs::read_to_string(world.scratch.root().join("main.mlp")).unwrap();
    let here = format!("{registry}/{}", world.namespace);
    world
        .scratch
        .write("main.mlp", &text.replace("localhost:5000", &here).replace("python:3.12-slim", &base));
    Some(world)
}

impl World {
    /// What the champion answers for a row, asked from a pod beside it: the router chooses a variant for each request.
    fn predicted(&self, url: &str) -> serde_json::Value {
        let ask = [
            "import json, urllib.request as r",
            "while True:",
            &format!(
                "  q = r.Request('{url}/v1/predict', data=b'{ROW}', headers={{'content-type': 'application/json'}})"
            ),
            "  a = json.load(r.urlopen(q))",
            "  if a['variant'] == 'stable': print(json.dumps(a)); break",
        ];
        let flag = format!("--image={}", named("MLP_RIG_IMAGE").unwrap());
        self.here(&["run", "ask", &flag, "--restart=Never", "--", "python3", "-c", &ask.join("\n")]);
        self.here(&["wait", "pod/ask", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s"]);
        let said = self.here(&["logs", "ask"]);
        self.here(&["delete", "pod", "ask", "--wait=true"]);
        serde_json::from_str(said.trim()).unwrap()
    }

    /// The same from the platform on this machine.
    fn predicted_here(&self) -> serde_json::Value {
        let port = support::free_port();
        let main = self.scratch.root().join("main.mlp");
        let text = std::fs::read_to_string(&main).unwrap();
        std::fs::write(&main, text.replace("port = 8090", &format!("port = {port}"))).unwrap();
        let here = |arguments: &[&str]| support::run(&mut self.command("local", "ann", arguments)).ended(0);
        here(&["up", "-auto-approve"]);
        let answer = std::iter::repeat_with(|| {
            let (_, body) = support::http::Client::connect(port).unwrap().post("/v1/predict", ROW).unwrap();
            serde_json::from_str::<serde_json::Value>(&body).unwrap()
        });
        let answer = answer.into_iter().find(|answer| answer["variant"] == "stable").unwrap();
        here(&["destroy", "-auto-approve"]);
        std::fs::write(&main, text).unwrap();
        answer
    }

    /// Starts a run as the schedule would, and waits for its end.
    fn scheduled(&self, name: &str) {
        self.here(&["create", "job", name, "--from=cronjob/churn-onprem-train"]);
        self.here(&["wait", &format!("job/{name}"), "--for=condition=complete", "--timeout=300s"]);
    }
}

#[test]
fn the_churn_platform_lives_in_a_cluster() {
    let Some(world) = churn() else { return };
    let before = world.objects();
    // What pods are made of is not there yet.
    world.mlp(&["plan"]).ended(1).says("MLP0873").says("mlp image build");
    world.mlp(&["up", "-auto-approve"]).ended(0).says("registered");
    world.mlp(&["emit", "rbac"]).ended(0).says("pods/exec");
    world.mlp(&["plan", "-detailed-exitcode"]).ended(0).says("No changes");
    let status = world.mlp(&["status"]).ended(0);
    status.says("champion").says("rows").never_says("degraded");

    // A parameter that changes is the plan, and nothing else is.
    let text = std::fs::read_to_string(world.scratch.root().join("main.mlp")).unwrap();
    world.scratch.write("main.mlp", &text.replace("rounds = 120", "rounds = 121"));
    let planned = world.mlp(&["plan"]).ended(0);
    planned.says("0 to add, 1 to change, 0 to destroy").says("rounds").says("\"120\" -> \"121\"");
    world.scratch.write("main.mlp", &text);

    // The endpoint answers what it answers on one machine.
    let url = format!("http://churn-onprem-churn.{}.svc:8090", world.namespace);
    let answer = world.predicted(&url);
    assert_eq!(answer["predictions"], world.predicted_here()["predictions"]);
    world.mlp(&["run", "endpoint.churn_nightly"]).ended(0).says("6000 rows predicted");

    // Expectations are judged in the cluster, and what they say comes back.
    world.scratch.write("main.mlp", &text.replace("min   = 2500", "min   = 25000"));
    world.mlp(&["apply", "-auto-approve"]).ended(15).says("MLP0704").says("at least 25000 expected");
    world.scratch.write("main.mlp", &text);
    world.mlp(&["apply", "-auto-approve"]).ended(0);

    // The loop needs nobody outside: a Job of the CronJob registers and promotes, a worse model is refused, and what was
    // rolled back stays so whatever later runs register.
    world.scheduled("again");
    world.mlp(&["show", "model.churn"]).ended(0).says("champion → version 3");
    world.mlp(&["run", "pipeline.train", "--param", "shuffle_labels=true"]).ended(11).says("MLP0830");
    world.mlp(&["rollback", "model.churn", "--alias", "champion"]).ended(0).says("it is held there");
    world.scheduled("once-more");
    assert_eq!(world.predicted(&url)["version"], answer["version"]);
    world.here(&["delete", "jobs", "again", "once-more"]);
    world.mlp(&["plan", "-detailed-exitcode"]).ended(0);

    world.mlp(&["destroy", "-auto-approve"]).ended(0);
    assert_eq!(world.objects(), before);
}
