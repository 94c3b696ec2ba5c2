//! What a router adds to a request: the same load on a model itself, through the router, and through nginx with the same
//! split, from a tool that is not ours.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::lab::Lab;
use crate::measure::Fault;
use crate::row::{Figure, Value};
use crate::spec::HEAD;

/// Connections of the load.
const CONNECTIONS: usize = 8;
const BODY: &str = "{\"rows\": [{\"tenure_months\": 3, \"plan\": \"premium\", \"monthly_charge\": 82.5}]}";

/// A process that ends with this.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        // One that ended by itself is gone all the same.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An endpoint that is destroyed with this.
struct Endpoint<'l> {
    lab: &'l Lab,
    project: TempDir,
    port: u16,
}

impl Drop for Endpoint<'_> {
    fn drop(&mut self) {
        if let Err(fault) = self.lab.run(&["destroy", "-e", "local", "--auto-approve"], self.project.path()) {
            eprintln!("the endpoint of the benchmark could not be destroyed: {fault:?}");
        }
    }
}

/// Loads a model, the router and nginx with so many requests a second; what the latter two add, in
/// microseconds, to the time below which that share of the requests stays.
pub fn added(lab: &Lab, rate: usize, rank: f64) -> Result<Vec<Figure>, Fault> {
    if Command::new("oha").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        eprintln!("SKIPPED the router: `oha` is not installed");
        return Ok(Vec::new());
    }
    let seconds = if lab.repeat == 1 { 3 } else { 10 };
    let load = |port: u16, path: &str| load(port, path, rate, seconds, rank);
    let (one, other) = (free_port()?, free_port()?);
    let _models = [model(one)?, model(other)?];
    let direct = load(one, "/predict")?;
    let through = {
        let endpoint = endpoint(lab)?;
        load(endpoint.port, "/v1/predict")?
    };
    let figure =
        |of: &str, number, unit| Figure { size: rate, of: of.to_owned(), value: Value::Number(number, unit) };
    let mut figures = vec![
        figure("model alone", direct, "µs"),
        figure("through the router", through, "µs"),
        Figure::mlp(rate, Value::Number(through - direct, "µs added")),
    ];
    if let Some((_nginx, port, _folder)) = nginx(one, other)? {
        let through = load(port, "/predict")?;
        figures.push(figure("nginx", through - direct, "µs added"));
    }
    Ok(figures)
}

fn free_port() -> Result<u16, Fault> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn model(port: u16) -> Result<Ending, Fault> {
    let child =
        Command::new(std::env::current_exe()?).arg("--stub").env("MLP_PORT", port.to_string()).spawn()?;
    let ending = Ending(child);
    listens(port)?;
    Ok(ending)
}

fn listens(port: u16) -> Result<(), Fault> {
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if began.elapsed() > Duration::from_secs(10) {
            return Err(Fault::Failed(format!("nothing listens on port {port}")));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn endpoint(lab: &Lab) -> Result<Endpoint<'_>, Fault> {
    let (project, port) = (tempfile::tempdir()?, free_port()?);
    let program = std::env::current_exe()?;
    let text = format!(
        r#"{HEAD}
model "m" {{
  serve   = "{} --stub"
  aliases = ["live", "next"]
}}

pipeline "make" {{
  step "fit" {{
    code    = "src"
    run     = "mkdir ${{output.model}} && echo 7 > ${{output.model}}/value"
    outputs = {{ model = "model" }}
  }}
  step "register" {{
    register = model.m
    alias    = "live"
    from     = step.fit.model
  }}
  step "again" {{
    register = model.m
    alias    = "next"
    from     = step.fit.model
  }}
}}

endpoint "e" {{
  kind = "online"
  port = {port}
  variant "live" {{
    model   = model.m.alias.live
    traffic = "remainder"
  }}
  variant "next" {{
    model   = model.m.alias.next
    traffic = 20
  }}
}}
"#,
        program.display()
    );
    fs::write(project.path().join("main.mlp"), text)?;
    fs::create_dir(project.path().join("src"))?;
    fs::write(project.path().join("src/readme"), "nothing\n")?;
    let endpoint = Endpoint { lab, project, port };
    lab.run(&["up", "-e", "local", "--auto-approve"], endpoint.project.path())?;
    listens(port)?;
    Ok(endpoint)
}

/// nginx with the same split, where it is installed.
fn nginx(one: u16, other: u16) -> Result<Option<(Ending, u16, TempDir)>, Fault> {
    let Some(program) =
        ["/usr/sbin/nginx", "/usr/bin/nginx"].iter().map(Path::new).find(|path| path.exists())
    else {
        eprintln!("SKIPPED nginx: it is not installed");
        return Ok(None);
    };
    let (folder, port) = (tempfile::tempdir()?, free_port()?);
    let place = |name: &str| folder.path().join(name).display().to_string();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|name| format!("  {name}_temp_path {};\n", place(name)))
        .collect();
    let configuration = format!(
        "worker_processes auto;\npid {};\nerror_log {} crit;\nevents {{ worker_connections 1024; }}\nhttp {{\n  access_log off;\n{temporary}  split_clients \"$request_id\" $where {{ 80% one; * other; }}\n  upstream one {{ server 127.0.0.1:{one}; keepalive 64; }}\n  upstream other {{ server 127.0.0.1:{other}; keepalive 64; }}\n  server {{\n    listen 127.0.0.1:{port};\n    keepalive_requests 1000000;\n    location / {{ proxy_pass http://$where; proxy_http_version 1.1; proxy_set_header Connection \"\"; }}\n  }}\n}}\n",
        place("pid"),
        place("errors"),
    );
    let file = folder.path().join("nginx.conf");
    fs::write(&file, configuration)?;
    let mut command = Command::new(program);
    command.arg("-p").arg(folder.path()).arg("-c").arg(&file).args(["-g", "daemon off; master_process off;"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let ending = Ending(child);
    listens(port)?;
    Ok(Some((ending, port, folder)))
}

/// The time of the request of that rank, in microseconds, of a second load: the first one warms up. The requests begin at even
/// distances: a tool whose connections all ask at once measures how long they wait for each other.
fn load(port: u16, path: &str, rate: usize, seconds: usize, rank: f64) -> Result<f64, Fault> {
    let url = format!("http://127.0.0.1:{port}{path}");
    let once = |seconds: usize| -> Result<Vec<f64>, Fault> {
        let (number, rate, connections) =
            ((rate * seconds).to_string(), rate.to_string(), CONNECTIONS.to_string());
        let mut command = Command::new("oha");
        command.args(["--no-tui", "--worker-threads", "1", "--output-format", "csv"]);
        command.args([
            "-n",
            &number,
            "-q",
            &rate,
            "-c",
            &connections,
            "-m",
            "POST",
            "-T",
            "application/json",
        ]);
        let output = command.args(["-d", BODY, &url]).output()?;
        times(&String::from_utf8_lossy(&output.stdout))
    };
    once(1)?;
    let mut times = once(seconds)?;
    times.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank among thousands"
    )]
    let at = (times.len() as f64 * rank) as usize;
    times
        .get(at.min(times.len().saturating_sub(1)))
        .copied()
        .ok_or_else(|| Fault::Failed(format!("{url} answered nothing")))
}

/// The times in what the tool wrote, in microseconds; an answer but 200 is a fault.
fn times(csv: &str) -> Result<Vec<f64>, Fault> {
    let mut all = Vec::new();
    for line in csv.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let (Some(time), Some(status)) = (fields.get(4), fields.get(6)) else { continue };
        if *status != "200" {
            return Err(Fault::Failed(format!("a request was answered with {status}")));
        }
        all.extend(time.parse::<f64>().ok().map(|seconds| seconds * 1e6));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tool_is_understood() {
        let text = "request-start,DNS,DNS+dialup,Response-delay,request-duration,bytes,status\n0.1,0,0,0.0001,0.0002,9,200\n0.2,0,0,0.0009,0.001,9,200\n";
        assert_eq!(times(text).unwrap(), [200.0, 1000.0]);
        assert!(times(&text.replace(",200", ",503")).is_err());
    }
}
