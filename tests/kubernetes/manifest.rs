//! Objects that are given as a whole, and objects that others made.

use super::{World, named, support};

/// A specification of one manifest.
fn manifest(name: &str, body: &str) -> String {
    format!("resource \"kubernetes_manifest\" \"{name}\" {{\n  manifest = {{\n{body}\n  }}\n}}\n")
}

const LIMITS: &str = r#"
    apiVersion = "v1"
    kind       = "LimitRange"
    metadata   = { labels = { team = "risk" }, annotations = null }
    spec       = { limits = [{ type = "Container", default = { cpu = "500m" } }] }
"#;

const CLASS: &str = r#"
    apiVersion = "scheduling.k8s.io"
    kind       = "PriorityClass"
    metadata   = { name = "urgent-${var.namespace}" }
    value      = 7
"#;

#[test]
fn a_manifest_lives_like_any_other_object() {
    let Some(world) = World::of("") else { return };
    let before = world.objects();
    let both = format!("{}{}", manifest("limits", LIMITS), manifest("class", CLASS));
    world.specify(&both);
    world.mlp(&["apply", "-auto-approve"]).ended(0).says("2 added");
    world.mlp(&["plan", "-detailed-exitcode"]).ended(0).says("No changes");
    world.mlp(&["status"]).ended(0).says("LimitRange").says("PriorityClass urgent-");

    // What the server fills in and what others add is not ours; what others change is.
    let limits = "limitrange/p-onprem-limits";
    world.here(&["label", limits, "seen=yes"]);
    world.mlp(&["plan", "-detailed-exitcode"]).ended(0).says("No changes");
    world.here(&["label", "--overwrite", limits, "team=fraud"]);
    world.mlp(&["plan"]).ended(1).says("MLP0867").says("kubectl-label").says("main.mlp:");
    world.mlp(&["apply", "--force-conflicts", "-auto-approve"]).ended(0).says("1 changed");

    // What cannot be changed is made anew, for the reason that the cluster gives.
    world.specify(&both.replace("value      = 7", "value      = 8"));
    world
        .mlp(&["plan"])
        .ended(0)
        .says("must be replaced")
        .says("invalid: value: Forbidden")
        .says("1 to destroy");
    world.mlp(&["apply", "-auto-approve"]).ended(0);
    world.mlp(&["plan", "-detailed-exitcode"]).ended(0);
    // Another version of the same kind is the same object; so is the one that the cluster prefers.
    let again = both.replace("value      = 7", "value      = 8");
    world.specify(&again.replace("\"scheduling.k8s.io\"", "\"scheduling.k8s.io/v1\""));
    world.mlp(&["apply", "-auto-approve"]).ended(0).says("1 changed");
    world.mlp(&["plan", "-detailed-exitcode"]).ended(0);

    // Without a state they are found again by their labels, also those in no namespace.
    let all = world.objects();
    std::fs::remove_dir_all(world.scratch.root().join(".mlp")).unwrap();
    let rebuilt = world.mlp(&["state", "rebuild"]).ended(0);
    rebuilt.says("kubernetes_manifest.limits").says("kubernetes_manifest.class");
    world.mlp(&["plan", "-detailed-exitcode"]).ended(0);
    assert_eq!(world.objects(), all);
    world.mlp(&["destroy", "-auto-approve"]).ended(0).says("2 destroyed");
    assert_eq!(world.objects(), before);
    let name = format!("urgent-{}", world.namespace);
    assert_eq!(world.kubectl(&["get", "priorityclass", "--ignore-not-found", &name]), "");
}

#[test]
fn what_is_not_of_the_clusters_types_is_told_at_its_line() {
    let Some(world) = World::of("") else { return };
    for (body, code, said, line) in [
        (LIMITS.replace("limits =", "limit ="), "MLP0878", "did you mean `limits`?", "spec       ="),
        (LIMITS.replace("\"risk\"", "7"), "MLP0878", "the cluster wants a text", "labels ="),
        (LIMITS.replace("[{ type", "[{ typ"), "MLP0878", "has no field `typ`", "typ ="),
        (format!("{LIMITS}    status = {{ a = 1 }}"), "MLP0878", "told by the cluster", "status ="),
        (LIMITS.replace("annotations = null", "uid = \"x\""), "MLP0878", "given by the cluster", "uid ="),
        (LIMITS.replace("LimitRange", "LimitRanges"), "MLP0879", "did you mean `LimitRange`?", "kind "),
        (
            LIMITS.replace("\"v1\"", "\"batch/v7\"").replace("LimitRange", "Job"),
            "MLP0879",
            "batch/v1",
            "apiVersion",
        ),
        (
            LIMITS.replace("\"v1\"", "\"sparkoperator.k8s.io/v1beta2\""),
            "MLP0879",
            "helm install spark-operator",
            "apiVersion",
        ),
        (
            CLASS.replace("metadata   = { ", "metadata   = { namespace = \"x\", "),
            "MLP0878",
            "lies in no namespace",
            "namespace =",
        ),
        (
            LIMITS.replace("    kind       = \"LimitRange\"\n", ""),
            "MLP0878",
            "`kind` of a manifest is missing",
            "manifest =",
        ),
        (LIMITS.replace("\"Container\"", "\"Thing\""), "MLP0866", "Thing", "kubernetes_manifest"),
    ] {
        world.specify(&manifest("x", &body));
        let refused = world.mlp(&["plan"]).ended(1);
        refused.says(code).says(said).says("main.mlp:").says(line);
    }
    assert_eq!(world.here(&["get", "limitranges", "-o", "name"]), "");
}

/// A definition and an object of it in one specification: the types are those of the definition before the cluster has it.
#[test]
fn a_kind_may_be_defined_beside_its_objects() {
    let Some(world) = World::of("") else { return };
    let group = format!("{}.acme.io", world.namespace);
    let definition = manifest(
        "definition",
        &format!(
            r#"
    apiVersion = "apiextensions.k8s.io/v1"
    kind       = "CustomResourceDefinition"
    metadata   = {{ name = "lanes.{group}" }}
    spec = {{
      group = "{group}"
      scope = "Namespaced"
      names = {{ plural = "lanes", singular = "lane", kind = "Lane", listKind = "LaneList" }}
      versions = [{{
        name    = "v1"
        served  = true
        storage = true
        schema  = {{ openAPIV3Schema = {{ type = "object", properties = {{ spec = {{ type = "object", properties = {{ width = {{ type = "integer" }} }} }} }} }} }}
      }}]
    }}"#
        ),
    );
    let lane = manifest(
        "lane",
        &format!("    apiVersion = \"{group}/v1\"\n    kind = \"Lane\"\n    spec = {{ width = 2 }}"),
    );
    world.specify(&format!("{definition}{}", lane.replace("width", "wide")));
    world.mlp(&["plan"]).ended(1).says("MLP0878").says("`width`").says("main.mlp:");
    world.specify(&format!("{definition}{lane}"));
    world.mlp(&["apply", "-auto-approve"]).ended(0).says("2 added");
    world.mlp(&["plan", "-detailed-exitcode"]).ended(0).says("No changes");
    let read = ["get", &format!("lanes.{group}/p-onprem-lane"), "-o", "jsonpath={.spec.width}"];
    assert_eq!(world.here(&read), "2");
    world.mlp(&["destroy", "-auto-approve"]).ended(0).says("every Lane of the cluster");
}

/// The real definitions of operators whose controllers do not run: `MLP_CRDS` names the folder that holds them.
#[test]
fn kinds_of_operators_are_typed_by_their_own_definitions() {
    let Some(folder) = named("MLP_CRDS") else {
        // They are no part of the project, and no server either: nothing requires them.
        support::skip_unprivileged("MLP_CRDS names no folder with the definitions of operators");
        return;
    };
    let Some(world) = World::of("") else { return };
    for file in ["trainer.kubeflow.org_trainjobs", "kueue.x-k8s.io_resourceflavors", "ray.io_rayclusters"] {
        world.kubectl(&[
            "apply",
            "--server-side",
            "--force-conflicts",
            "-f",
            &format!("{folder}/{file}.yaml"),
        ]);
    }
    let job = manifest(
        "job",
        r#"
    apiVersion = "trainer.kubeflow.org/v1alpha1"
    kind       = "TrainJob"
    spec = {
      runtimeRef = { name = "torch" }
      trainer    = { numNodes = 2, image = "r.io/x@sha256:0" }
    }"#,
    );
    let flavor = manifest(
        "flavor",
        r#"
    apiVersion = "kueue.x-k8s.io"
    kind       = "ResourceFlavor"
    metadata   = { name = "h100-${var.namespace}" }
    spec       = { nodeLabels = { gpu = "h100" } }"#,
    );
    world.specify(&format!("{job}{flavor}"));
    world.mlp(&["apply", "-auto-approve"]).ended(0).says("2 added");
    world.mlp(&["plan", "-detailed-exitcode"]).ended(0).says("No changes");
    // Its own rule says that it cannot become another: it is made anew, in the rule's words.
    world.specify(&format!("{}{flavor}", job.replace("\"torch\"", "\"jax\"")));
    world.mlp(&["plan"]).ended(0).says("must be replaced").says("immutable").says("1 to destroy");
    world.mlp(&["apply", "-auto-approve"]).ended(0);
    world.mlp(&["plan", "-detailed-exitcode"]).ended(0);
    world.specify(&format!("{}{flavor}", job.replace("numNodes", "numNode")));
    world.mlp(&["plan"]).ended(1).says("MLP0878").says("did you mean `numNodes`?");
    let ray = manifest(
        "ray",
        "    apiVersion = \"ray.io/v1\"\n    kind = \"RayCluster\"\n    spec = { headGroupSpec = { template = { spec = { containers = [{ name = \"head\", image = \"x\", env = { A = \"1\" } }] } } } }",
    );
    world.specify(&ray);
    world.mlp(&["plan"]).ended(1).says("MLP0878").says("containers[0].env").says("a list");
    world.specify("");
    world.mlp(&["apply", "-auto-approve"]).ended(0).says("2 destroyed");
}

#[test]
fn what_others_made_is_taken_over_without_making_it_anew() {
    let Some(world) = World::of("") else { return };
    world.here(&["create", "configmap", "prices", "--from-literal=a=1", "--from-literal=b=2"]);
    world.here(&["create", "deployment", "web", "--image=registry.invalid/x", "--replicas=2"]);
    world.here(&["create", "quota", "all", "--hard=pods=9"]);
    let uid = |object: &str| world.here(&["get", object, "-o", "jsonpath={.metadata.uid}"]);
    let all = ["configmap/prices", "deployment/web", "quota/all"];
    let uids = all.map(uid);
    let import = |to: &str, id: &str| format!("import {{\n  to = {to}\n  id = \"{id}\"\n}}\n");
    let namespace = &world.namespace;
    let imports = [
        import("kubernetes_config_map.prices", "config_map/prices"),
        import("kubernetes_deployment.web", &format!("deployment/{namespace}/web")),
        import("kubernetes_manifest.quota", &format!("ResourceQuota/{namespace}/all")),
    ]
    .concat();
    let web = "resource \"kubernetes_deployment\" \"web\" {\n  replicas = 2\n  selector = { matchLabels = { app = \"web\" } }\n  \
               template = { metadata = { labels = { app = \"web\" } }, spec = { containers = [{ name = \"x\", image = \"registry.invalid/x\" }] } }\n}\n";
    let quota = manifest(
        "quota",
        "    apiVersion = \"v1\"\n    kind = \"ResourceQuota\"\n    metadata = { name = \"all\" }\n    spec = { hard = { pods = \"9\" } }",
    );
    let prices = "resource \"kubernetes_config_map\" \"prices\" {\n  data = { a = \"1\" }\n}\n";
    world.specify(&format!("{prices}{web}{quota}{imports}"));
    let planned = world.mlp(&["plan"]).ended(0);
    planned.says("3 to take over").never_says("- strategy");
    world.mlp(&["apply", "-auto-approve"]).ended(0).says("3 imported");
    world.mlp(&["plan", "-detailed-exitcode"]).ended(0).says("No changes");
    assert_eq!(all.map(uid), uids);
    // What is not declared stays as the others set it, and what is declared is ours.
    assert_eq!(world.here(&["get", "configmap/prices", "-o", "jsonpath={.data.b}"]), "2");
    world.specify(&format!("{}{web}{quota}", prices.replace("\"1\"", "\"5\"")));
    let taken = world.mlp(&["apply", "--force-conflicts", "-auto-approve"]).ended(0);
    taken.says("1 changed");
    assert_eq!(world.here(&["get", "configmap/prices", "-o", "jsonpath={.data}"]), r#"{"a":"5","b":"2"}"#);
    world.mlp(&["destroy", "-auto-approve"]).ended(0).says("3 destroyed");
}

#[test]
fn what_differs_or_is_not_there_is_said_before_it_is_taken_over() {
    let Some(world) = World::of("") else { return };
    world.here(&["create", "configmap", "prices", "--from-literal=a=1"]);
    let import = |id: &str| format!("import {{\n  to = kubernetes_config_map.prices\n  id = \"{id}\"\n}}\n");
    let prices = "resource \"kubernetes_config_map\" \"prices\" {\n  data = { a = \"2\" }\n}\n";
    world.specify(&format!("{prices}{}", import("config_map/nobody")));
    world.mlp(&["plan"]).ended(1).says("nobody").says("main.mlp:");
    // A field that its maker set otherwise belongs to the maker until it is taken over.
    world.specify(&format!("{prices}{}", import("config_map/prices")));
    world.mlp(&["plan"]).ended(1).says("MLP0867").says("kubectl-create").says("--force-conflicts");
    world.mlp(&["plan", "--force-conflicts"]).ended(0).says("\"1\" -> \"2\"").says("1 to take over");
    world.mlp(&["apply", "--force-conflicts", "-auto-approve"]).ended(0).says("1 imported");
    world.mlp(&["plan", "-detailed-exitcode"]).ended(0);
    // What cannot be changed in place is not taken over: that would end what was to be kept.
    world.here(&["create", "configmap", "fixed", "--from-literal=a=1"]);
    world.here(&["patch", "configmap", "fixed", "--type=merge", "-p", "{\"immutable\":true}"]);
    let fixed = "resource \"kubernetes_config_map\" \"fixed\" {\n  data = { a = \"2\" }\n}\nimport {\n  to = kubernetes_config_map.fixed\n  id = \"config_map/fixed\"\n}\n";
    world.specify(&format!("{prices}{fixed}"));
    world.mlp(&["plan", "--force-conflicts"]).ended(1).says("immutable");
}

/// What others apply is written without asking the cluster, so that it has to say in which version.
#[test]
fn a_manifest_is_written_for_others_too() {
    let Some(world) = World::of("") else { return };
    let class = CLASS.replace("\"scheduling.k8s.io\"", "\"scheduling.k8s.io/v1\"");
    world.specify(&format!("{}{}", manifest("limits", LIMITS), manifest("class", &class)));
    let written = world.mlp(&["emit", "--to", "yaml"]).ended(0);
    let written = written.says("kind: LimitRange").says("kind: PriorityClass");
    let inside = format!("namespace: {}", world.namespace);
    assert_eq!(written.stdout.matches(&inside).count(), 1, "{written}");
    let role = world.mlp(&["emit", "rbac"]).ended(0);
    role.says("limitranges").says("priorityclasses").says("kind: ClusterRole");
    world.specify(&manifest("class", CLASS));
    let refused = world.mlp(&["emit", "--to", "yaml"]).ended(1);
    refused.says("MLP0864").says("leaves the version to the cluster").says("main.mlp:");
}
