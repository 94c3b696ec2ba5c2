//! Messages on a stream: a header with the length, then JSON.

use std::io::{self, BufRead, Read};

use lsp_server::Message;

/// The longest message that is read.
const LONGEST: usize = 64 << 20;

/// One message, or why what came is none; `None` at the end of the stream.
///
/// # Errors
/// The stream is broken, or nobody can say where the next message begins.
pub(crate) fn read(stream: &mut impl BufRead) -> io::Result<Option<Result<Message, String>>> {
    let mut length = None;
    loop {
        let mut line = Vec::new();
        if stream.by_ref().take(4096).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse::<usize>().ok();
        }
    }
    let wrong = |why: &str| Err(io::Error::new(io::ErrorKind::InvalidData, why.to_owned()));
    let Some(length) = length else { return wrong("a message without a length") };
    if length > LONGEST {
        return wrong("a message longer than 64 MiB");
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(Some(message(&body)))
}

/// The message that some bytes are.
///
/// # Errors
/// They are none: why.
pub(crate) fn message(body: &[u8]) -> Result<Message, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_message_is_told_from_the_end() {
        let body = r#"{"jsonrpc":"2.0","method":"exit"}"#;
        let text = format!("Content-Length: {}\r\n\r\n{body}Content-Length: 2\r\n\r\n[]", body.len());
        let mut stream = text.as_bytes();
        assert!(matches!(read(&mut stream), Ok(Some(Ok(Message::Notification(_))))));
        assert!(matches!(read(&mut stream), Ok(Some(Err(_)))));
        assert!(matches!(read(&mut stream), Ok(None)));
        for broken in [
            "\r\n\r\n",
            "Content-Length: x\r\n\r\n",
            "Content-Length: 99\r\n\r\n{}",
            "Content-Length: 99999999999\r\n\r\n",
        ] {
            assert!(read(&mut broken.as_bytes()).is_err(), "{broken}");
        }
    }
}
