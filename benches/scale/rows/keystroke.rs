//! How long an editor waits.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::lab::Lab;
use crate::measure::Fault;
use crate::row::{Bound, Budget, Figure, NEVER, Row, Sizes, Value, Way};
use crate::specs::VALUES;

pub const ROW: Row = Row {
    name: "keystroke",
    about: "From a keystroke to the diagnostics of the whole project, as an editor sees it over `mlp lsp`; the median of 15.",
    unit: "blocks",
    sizes: Sizes { quick: &[1_000, 10_000], whole: &[1_000, 10_000, 100_000] },
    terraform: NEVER,
    way: Way::Own(measure),
    budgets: &[Budget::at(10_000, Bound::AtMost(50.0))],
};

fn measure(lab: &mut Lab, size: usize) -> Result<Vec<Figure>, Fault> {
    let project = lab.fresh(&VALUES, size)?;
    let root = format!("file://{}", project.path().display());
    let (name, line) = ("part000.mlp", 0);
    let text = std::fs::read_to_string(project.path().join(name))?;
    let uri = format!("{root}/{name}");
    let mut editor = Editor::start(lab, project.path())?;
    editor.tell(
        &json!({ "id": 0, "method": "initialize", "params": { "capabilities": {}, "rootUri": root } }),
    )?;
    editor.tell(&json!({ "method": "initialized", "params": {} }))?;
    editor.tell(&json!({ "method": "textDocument/didOpen", "params": {
        "textDocument": { "uri": uri, "languageId": "mlp", "version": 1, "text": text } } }))?;
    let mut times = Vec::new();
    for round in 0..16_usize {
        // A letter too many in the kind of a block, and away again: the diagnostics differ each time. The fields of a native
        // resource are its provider's, which an editor does not ask.
        let start = json!({ "line": line, "character": 0 });
        let wrong = round % 2 == 0;
        let (end, letter) =
            if wrong { (&start, "x") } else { (&json!({ "line": line, "character": 1 }), "") };
        let change = json!({ "range": { "start": start, "end": end }, "text": letter });
        let began = Instant::now();
        editor.tell(&json!({ "method": "textDocument/didChange", "params": {
            "textDocument": { "uri": uri, "version": round + 2 }, "contentChanges": [change] } }))?;
        editor.until(&uri, wrong, lab.limits.wall)?;
        // The first waits for the project to be read.
        if round > 0 {
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
    }
    times.sort_by(f64::total_cmp);
    let most = times[times.len() - 1];
    Ok(vec![
        Figure::mlp(size, Value::Number(times[times.len() / 2], "ms")),
        Figure { size, of: "slowest of them".to_owned(), value: Value::Number(most, "ms") },
    ])
}

/// The editor's end of a server.
struct Editor {
    server: Child,
    input: ChildStdin,
    heard: Receiver<Json>,
}

impl Editor {
    fn start(lab: &Lab, directory: &std::path::Path) -> Result<Self, Fault> {
        let mut server = Command::new(&lab.mlp)
            .arg("lsp")
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let gone = || Fault::Failed("the server has no streams".to_owned());
        let input = server.stdin.take().ok_or_else(gone)?;
        let mut output = BufReader::new(server.stdout.take().ok_or_else(gone)?);
        let (say, heard) = channel();
        std::thread::spawn(
            move || while read(&mut output).is_some_and(|message| say.send(message).is_ok()) {},
        );
        Ok(Self { server, input, heard })
    }

    fn tell(&mut self, message: &Json) -> Result<(), Fault> {
        let mut message = message.clone();
        message["jsonrpc"] = json!("2.0");
        let text = message.to_string();
        write!(self.input, "Content-Length: {}\r\n\r\n{text}", text.len())?;
        Ok(self.input.flush()?)
    }

    /// Waits until the diagnostics of a file say that there is, or is not, something wrong with it.
    fn until(&mut self, uri: &str, wrong: bool, most: Duration) -> Result<(), Fault> {
        let began = Instant::now();
        loop {
            let left = most.saturating_sub(began.elapsed());
            let message = self.heard.recv_timeout(left).map_err(|_| Fault::TooLong(most))?;
            let about =
                message["method"] == "textDocument/publishDiagnostics" && message["params"]["uri"] == uri;
            let errors = message["params"]["diagnostics"].as_array().is_some_and(|all| !all.is_empty());
            if about && errors == wrong {
                return Ok(());
            }
        }
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        // One that ended by itself is gone all the same.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn read(output: &mut impl BufRead) -> Option<Json> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if output.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().ok()?
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    output.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}
