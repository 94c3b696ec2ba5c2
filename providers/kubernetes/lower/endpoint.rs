//! `endpoint`: a Deployment, a Service before it, and an autoscaler where it has a range of replicas.

use mlp_provider::{Desired, LowerInput, Lowered};

use super::builder::{Builder, env, from};
use super::params::literal;
use super::{compute, runtime, secret};
use crate::codes;
use crate::mlp_eval::{PlanValue, reference_of};
use crate::mlp_platform::Declaration;
use crate::mlp_value::Value;
use crate::natives::native;

const SERVED: &[&str] = &[
    "kind",
    "port",
    "serve",
    "runtime",
    "runtime.image",
    "runtime.language",
    "runtime.env.**",
    "compute.**",
    "secrets.**",
    "scaling.min",
    "scaling.max",
];
/// The port it answers on, where none is named.
const PORT: i64 = 8080;
/// The label that its pods are known by.
pub(super) const POD: &str = "mlp.dev/endpoint";
/// The share of the processors that its pods ask for which an autoscaler keeps them at, in percent.
const BUSY: i64 = 80;

pub(super) fn lower(input: &LowerInput<'_>) -> Lowered {
    let mut builder = Builder::new(input, SERVED);
    if let Some(kind) = builder.text("kind").filter(|kind| *kind != "online") {
        builder.not_served("kind", &format!("an endpoint of kind `{kind}`"), "use `kind = \"online\"`");
        return builder.finish(Vec::new());
    }
    if let Some(0) = builder.attribute("port").and_then(Value::as_number).and_then(|port| port.to_i64()) {
        builder.not_served("port", "a port that is free by chance", "name one, or leave it out for 8080");
    }
    let scale = Scale::read(&mut builder);
    let container = container(&mut builder, &scale);
    let Some(container) = container else { return builder.finish(Vec::new()) };
    let mut desired = vec![deployment(&mut builder, container, &scale), service(&mut builder)];
    if let Some(max) = scale.max {
        desired.push(autoscaler(&mut builder, scale.min, max));
    }
    let desired = desired.into_iter().flatten().collect();
    builder.finish(desired)
}

fn port(builder: &Builder<'_>) -> i64 {
    builder.attribute("port").and_then(Value::as_number).and_then(|port| port.to_i64()).unwrap_or(PORT)
}

/// How many replicas.
struct Scale {
    min: i64,
    /// The most, where there is a range.
    max: Option<i64>,
}

impl Scale {
    fn read(builder: &mut Builder<'_>) -> Self {
        let number = |path: &str| builder.attribute(path).and_then(Value::as_number).and_then(|n| n.to_i64());
        let min = number("scaling.min").unwrap_or(1);
        let max = number("scaling.max").filter(|max| *max > min);
        if min < 1 {
            let help = "an autoscaler of the cluster keeps one: write `min = 1`";
            builder.not_served("scaling.min", "an endpoint without replicas", help);
        }
        Self { min, max }
    }
}

/// What serves: the component, where one is named, and the command.
fn serves<'a>(builder: &mut Builder<'a>) -> Option<(Option<&'a Declaration>, Option<&'a str>)> {
    let Some(serve) = builder.attribute("serve") else {
        builder.error(
            codes::VALUE,
            "",
            "it is not said what serves",
            "add `serve = component.x`, whose `runtime` names an image; models are not served from a registry here yet",
        );
        return None;
    };
    let (component, command) = match reference_of(serve) {
        Some(_) => {
            let component = builder.referred(serve, "component", "serve")?;
            (Some(component), component.body.field("serve").and_then(Value::as_text))
        }
        None => (None, serve.as_text()),
    };
    // A class is started by the python worker, which no image has yet.
    let class = |text: &str| !text.contains(char::is_whitespace) && text.contains(':') && !text.contains('/');
    if let Some(class) = command.filter(|command| class(command)) {
        let help = "write a command that answers on `$MLP_PORT`";
        builder.not_served("serve", &format!("the class `{class}`"), help);
        return None;
    }
    Some((component, command))
}

fn container(builder: &mut Builder<'_>, scale: &Scale) -> Option<PlanValue> {
    let (component, command) = serves(builder)?;
    let own = builder.attribute("runtime");
    let runtime = own.or_else(|| component?.body.field("runtime").filter(|runtime| !runtime.is_null()));
    let image = runtime::image(builder, runtime, ("the endpoint", "runtime"))?;
    let port = port(builder);
    let mut variables = vec![env("MLP_PORT", port.to_string())];
    variables.extend(secret::variables(builder, builder.attribute("secrets"), "secrets"));
    let code = component.and_then(|component| component.body.field("code")).filter(|code| !code.is_null());
    let folder = image.folder(builder, code, "serve");
    let image_name = image.name().to_owned();
    variables.extend(image.variables(folder.as_deref()));
    let compute = builder.attribute("compute");
    let resources = compute.and_then(|value| compute::resolve(builder, value, "compute"));
    let asks = resources.as_ref().and_then(|resources| resources.field("requests")?.field("cpu"));
    if scale.max.is_some() && asks.is_none() {
        builder.error(
            codes::VALUE,
            "scaling.max",
            "the number of replicas follows how busy they are, and it is not said how many cores one has",
            "add `compute = { cpu = 1 }`, or leave `max` out",
        );
    }
    let open = Value::object([
        ("containerPort", Value::int(port)),
        ("name", Value::text("http")),
        ("protocol", Value::text("TCP")),
    ]);
    let socket = Value::object([("port", Value::text("http"))]);
    let mut fields = vec![
        ("name", Value::text("server")),
        ("image", Value::text(image_name)),
        ("env", Value::list(variables)),
        ("ports", Value::list([open])),
        ("readinessProbe", Value::object([("tcpSocket", socket)])),
    ];
    if let Some(command) = command {
        let words = ["/bin/sh", "-c"].map(Value::text).into_iter();
        fields.push(("command", Value::list(words.chain([Value::text(literal(command))]))));
    }
    fields.extend(folder.map(|folder| ("workingDir", Value::text(folder))));
    fields.extend(resources.map(|resources| ("resources", resources)));
    Some(Value::object(fields))
}

fn pods(builder: &Builder<'_>) -> PlanValue {
    Value::object([(POD, Value::text(builder.name()))])
}

fn deployment(builder: &mut Builder<'_>, container: PlanValue, scale: &Scale) -> Option<Desired> {
    let labels = pods(builder);
    let template = Value::object([
        ("metadata", Value::object([("labels", labels.clone())])),
        ("spec", Value::object([("containers", Value::list([container]))])),
    ]);
    let mut fields = vec![("selector", Value::object([("matchLabels", labels)])), ("template", template)];
    // Where an autoscaler says how many there are, nobody else does.
    if scale.max.is_none() {
        fields.push(("replicas", Value::int(scale.min)));
    }
    let mut desired = builder.object("", native("kubernetes_deployment")?, fields);
    from(&mut desired, &["replicas"], "scaling.min");
    from(&mut desired, &["template"], "serve");
    Some(desired)
}

pub(super) fn service(builder: &mut Builder<'_>) -> Option<Desired> {
    let port = Value::object([
        ("name", Value::text("http")),
        ("port", Value::int(port(builder))),
        ("protocol", Value::text("TCP")),
        ("targetPort", Value::text("http")),
    ]);
    let fields = vec![("selector", pods(builder)), ("ports", Value::list([port]))];
    let mut desired = builder.object("service", native("kubernetes_service")?, fields);
    from(&mut desired, &["ports"], "port");
    Some(desired)
}

fn autoscaler(builder: &mut Builder<'_>, min: i64, max: i64) -> Option<Desired> {
    let target = Value::object([
        ("apiVersion", Value::text("apps/v1")),
        ("kind", Value::text("Deployment")),
        ("name", Value::text(builder.name())),
    ]);
    let busy =
        Value::object([("type", Value::text("Utilization")), ("averageUtilization", Value::int(BUSY))]);
    let resource = Value::object([("name", Value::text("cpu")), ("target", busy)]);
    let metric = Value::object([("type", Value::text("Resource")), ("resource", resource)]);
    let fields = vec![
        ("scaleTargetRef", target),
        ("minReplicas", Value::int(min)),
        ("maxReplicas", Value::int(max)),
        ("metrics", Value::list([metric])),
    ];
    let kind = native("kubernetes_horizontal_pod_autoscaler")?;
    let mut desired = builder.object("autoscaler", kind, fields);
    from(&mut desired, &["minReplicas"], "scaling.min");
    from(&mut desired, &["maxReplicas"], "scaling.max");
    Some(desired)
}
