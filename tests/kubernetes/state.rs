//! The state in the cluster, and a way to what runs there.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::support::scratch::eventually;
use super::{World, named};

/// A specification with its state in Secrets of the namespace.
fn specified(world: &World, value: &str) {
    let text = format!(
        "project \"p\" {{}}\nvariable \"namespace\" {{ type = string }}\nprovider \"kubernetes\" \"c\" {{\n  namespace = \
         var.namespace\n}}\nenvironment \"onprem\" {{\n  provider = provider.kubernetes.c\n  state {{\n    backend   = \
         \"kubernetes\"\n    namespace = \"{}\"\n    lease     = \"5s\"\n  }}\n}}\nresource \"kubernetes_config_map\" \"c\" \
         {{\n  data = {{ a = \"{value}\" }}\n}}\n",
        world.namespace
    );
    world.scratch.write("main.mlp", &text);
}

#[test]
fn a_project_lives_with_its_state_in_the_cluster() {
    let Some(world) = World::of("") else { return };
    specified(&world, "1");
    world.mlp(&["apply", "-auto-approve"]).ended(0).says("1 added");
    let states = || world.here(&["get", "secrets", "-l", "mlp.dev/state", "-o", "name"]).lines().count();
    assert!(states() > 0);
    assert!(world.here(&["get", "leases", "-o", "name"]).contains("mlp-state-"));
    // From another checkout it is the same state.
    std::fs::remove_dir_all(world.scratch.root().join(".mlp")).unwrap();
    world.mlp(&["plan", "-detailed-exitcode"]).ended(0).says("No changes");
    world.mlp(&["state", "verify"]).ended(0).says("secrets of");
    specified(&world, "2");
    world.mlp(&["apply", "-auto-approve"]).ended(0).says("1 changed");
    world.mlp(&["history"]).ended(0).says("ann@");

    // What is lost is made anew from what lives.
    world.here(&["delete", "secrets,leases", "-l", "mlp.dev/state"]);
    world.mlp(&["plan"]).ended(1).says("belongs to somebody else");
    world.mlp(&["state", "rebuild"]).ended(0).says("kubernetes_config_map.c");
    world.mlp(&["plan", "-detailed-exitcode"]).ended(0);

    // The role that is written is enough for the state too.
    let role = world.mlp(&["emit", "rbac"]).ended(0);
    role.says("leases").says("secrets");
    world.mlp(&["destroy", "-auto-approve"]).ended(0).says("1 destroyed");
}

/// An apply that is killed in the middle keeps others out for as long as its lease, and no longer.
#[test]
fn a_lease_in_the_cluster_is_taken_only_when_it_has_expired() {
    let Some(world) = World::of("") else { return };
    specified(&world, "1");
    world.mlp(&["apply", "-auto-approve"]).ended(0);
    let name = world.here(&["get", "leases", "-o", "name"]).trim().to_owned();
    let read = |path: &str| world.here(&["get", &name, "-o", &format!("jsonpath={path}")]);
    let mut lease: serde_json::Value =
        serde_json::from_str(&read("{.metadata.annotations.mlp\\.dev/lease}")).unwrap();
    let holder = serde_json::json!({ "user": "bob", "host": "elsewhere", "pid": 1, "started": null });
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    lease["holder"] = holder;
    lease["expires"] = (now + 3600).into();
    lease["length"] = 3600.into();
    let give = |lease: &serde_json::Value| {
        world.here(&["annotate", "--overwrite", &name, &format!("mlp.dev/lease={lease}")]);
    };
    give(&lease);
    specified(&world, "2");
    world.mlp(&["apply", "-auto-approve"]).ended(10).says("bob@elsewhere");
    assert_eq!(world.here(&["get", "configmap/p-onprem-c", "-o", "jsonpath={.data.a}"]), "1");
    lease["expires"] = 1.into();
    lease["length"] = 5.into();
    give(&lease);
    world.mlp(&["apply", "-auto-approve"]).ended(0).says("1 changed");
    assert_eq!(read("{.spec.holderIdentity}"), "");
    world.mlp(&["destroy", "-auto-approve"]).ended(0);
}

#[test]
fn nothing_is_forwarded_where_nothing_listens() {
    let Some(world) = World::of("resource \"kubernetes_config_map\" \"c\" {\n  data = { a = \"1\" }\n}\n")
    else {
        return;
    };
    world.mlp(&["forward", "kubernetes_config_map.c"]).ended(1).says("MLP0920");
    world.mlp(&["apply", "-auto-approve"]).ended(0);
    world.mlp(&["forward", "kubernetes_config_map.c"]).ended(1).says("MLP0877").says("no pods that listen");
    world.mlp(&["destroy", "-auto-approve"]).ended(0);
}

/// The status line of what answers at an address.
fn asked(url: &str) -> Option<String> {
    let address = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    stream.write_all(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.lines().next().map(str::to_owned)
}

#[test]
fn a_port_leads_to_an_endpoint_and_its_log_is_followed() {
    let Some(world) = World::on("MLP_RIG_REAL_KUBECONFIG") else { return };
    let image = named("MLP_RIG_IMAGE").expect("the cluster names its image");
    world.specify(&format!(
        "runtime \"python\" {{\n  image = \"{image}\"\n}}\nendpoint \"files\" {{\n  serve   = \"exec python3 -u -m http.server \
         $MLP_PORT\"\n  runtime = runtime.python\n}}\npipeline \"two\" {{\n  step \"first\" {{\n    runtime = runtime.python\n    \
         run     = \"echo one; sleep 4; echo x > ${{output.text}}\"\n    outputs = {{ text = \"file\" }}\n  }}\n  step \"second\" {{\n    runtime = runtime.python\n    run     = \"echo two\"\n    \
         inputs  = {{ text = step.first.text }}\n  }}\n}}\n"
    ));
    world.mlp(&["apply", "-auto-approve"]).ended(0);
    let start = |arguments: &[&str]| {
        let mut command: Command = world.command("onprem", "ann", arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut forward = start(&["forward", "endpoint.files"]);
    let mut lines = BufReader::new(forward.stdout.take().unwrap()).lines();
    let curl = lines.by_ref().map_while(Result::ok).find(|line| line.contains("curl ")).unwrap();
    let url = curl.trim().trim_start_matches("curl ").trim_end_matches('/').to_owned();
    assert_eq!(asked(&url).as_deref(), Some("HTTP/1.0 200 OK"));
    // Another pod takes the place of the first, and the port leads there.
    world.here(&["delete", "pods", "--all", "--wait=true"]);
    eventually("the port leads to the next pod", || asked(&url).as_deref() == Some("HTTP/1.0 200 OK"));
    let interrupted = Command::new("kill").args(["-INT", &forward.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    assert!(forward.wait().unwrap().success());

    // Whoever follows hears the step that begins later, and ends with the run.
    let mut run = start(&["run", "pipeline.two"]);
    eventually("the run has begun", || {
        world.here(&["get", "pods", "-l", "batch.kubernetes.io/job-name", "-o", "name"]).contains("pod/")
    });
    let followed = world.mlp(&["logs", "-f", "pipeline.two"]).ended(0);
    followed.says("one").says("two");
    run.wait().unwrap();
    world.mlp(&["destroy", "-auto-approve"]).ended(0);
}
