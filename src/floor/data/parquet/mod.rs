//! Parquet files as rows of cells and back, over the column interface of the `parquet` library. Arrow's arrays, which
//! nothing here computes with, would be more than the rest of it: in the program and in the time to build it.

mod assemble;
mod decimal;
mod hint;
mod kind;
mod leaf;
mod parse;
mod read;
#[cfg(test)]
mod samples;
mod shape;
mod text;
mod write;

pub(super) use kind::{Kind, typed};
pub(super) use read::ParquetRows;
#[cfg(test)]
pub(super) use samples::{Column, write_parquet};
pub(super) use write::ParquetWriter;
