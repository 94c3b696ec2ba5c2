//! A model that answers at once: what is left of a request's time is the way to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

const HEALTHY: &str = "{\"status\": \"ok\"}";
const PREDICTED: &str = "{\"predictions\": [{\"probability\": 0.3}]}";

/// Serves on `$MLP_PORT` until it is ended.
pub fn serve() -> Result<(), String> {
    let port = std::env::var("MLP_PORT").map_err(|_| "MLP_PORT is not set".to_owned())?;
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).map_err(|error| error.to_string())?;
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || {
            // Whoever went away has no more to ask.
            let _ = answer(&stream);
        });
    }
    Ok(())
}

fn answer(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut input, mut output) = (BufReader::new(stream), stream);
    let mut line = String::new();
    loop {
        let (mut length, mut body) = (0_usize, HEALTHY);
        line.clear();
        if input.read_line(&mut line)? == 0 {
            return Ok(());
        }
        if line.starts_with("POST") {
            body = PREDICTED;
        }
        loop {
            line.clear();
            input.read_line(&mut line)?;
            let header = line.trim();
            if header.is_empty() {
                break;
            }
            if let Some((name, value)) = header.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().map_err(std::io::Error::other)?;
            }
        }
        std::io::copy(&mut (&mut input).take(length as u64), &mut std::io::sink())?;
        let text = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        output.write_all(text.as_bytes())?;
    }
}
