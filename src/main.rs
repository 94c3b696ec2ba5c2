//! `mlp`: one specification of an ML platform, planned and applied.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod cli;
mod codes;
mod engine;
mod explain;
mod graph;
mod host;
mod talk;

/// Plans are millions of small values, made and dropped by several threads: a sixth of the time went by in the allocator of the
/// system, which also grows a thread's memory page by page.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The stack of the thread that works: expressions nest, and a diagnostic is kinder than an overflow.
const STACK: usize = 256 * 1024 * 1024;

fn main() -> std::process::ExitCode {
    let worker = std::thread::Builder::new().name("mlp".to_owned()).stack_size(STACK).spawn(cli::main);
    let exit = worker.map(std::thread::JoinHandle::join);
    match exit {
        Ok(Ok(exit)) => std::process::ExitCode::from(exit as u8),
        Ok(Err(_)) | Err(_) => std::process::ExitCode::from(cli::exit::Exit::Error as u8),
    }
}
