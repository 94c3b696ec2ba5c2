//! Files of other writers, and files of any shape for tests.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;

use crate::data::{Format, SnapshotRequest, SourceData, Store};

/// The values of an optional column, and of a list the levels of definition and repetition.
pub(in crate::data) enum Column {
    Bool(Vec<Option<bool>>),
    Int32(Vec<Option<i32>>),
    Int64(Vec<Option<i64>>),
    Double(Vec<Option<f64>>),
    Bytes(Vec<Option<&'static [u8]>>),
    List { values: Vec<i32>, defined: Vec<i16>, repeated: Vec<i16> },
}

/// Writes a file of a schema in Parquet's own notation.
pub(in crate::data) fn write_parquet(path: &Path, schema: &str, columns: Vec<Column>) {
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = Arc::new(WriterProperties::builder().build());
    let mut file = SerializedFileWriter::new(fs::File::create(path).unwrap(), schema, properties).unwrap();
    let mut group = file.next_row_group().unwrap();
    for column in columns {
        let mut writer = group.next_column().unwrap().unwrap();
        match column {
            Column::Bool(values) => write::<BoolType>(&mut writer, values),
            Column::Int32(values) => write::<Int32Type>(&mut writer, values),
            Column::Int64(values) => write::<Int64Type>(&mut writer, values),
            Column::Double(values) => write::<DoubleType>(&mut writer, values),
            Column::Bytes(values) => {
                let values = values.into_iter().map(|value| value.map(ByteArray::from));
                write::<ByteArrayType>(&mut writer, values.collect());
            }
            Column::List { values, defined, repeated } => {
                let writer = writer.typed::<Int32Type>();
                writer.write_batch(&values, Some(&defined), Some(&repeated)).unwrap();
            }
        }
        writer.close().unwrap();
    }
    group.close().unwrap();
    file.close().unwrap();
}

fn write<T: DataType>(writer: &mut SerializedColumnWriter<'_>, values: Vec<Option<T::T>>) {
    let defined: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let values: Vec<T::T> = values.into_iter().flatten().collect();
    writer.typed::<T>().write_batch(&values, Some(&defined), None).unwrap();
}

/// What each file of `samples/` holds stands beside it, as Arrow's own reader and display had it. `samples/make.py` says
/// who wrote them and how.
#[test]
fn files_of_other_writers_are_read_as_they_were_written() {
    let dir = tempfile::tempdir().unwrap();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/parquet/samples");
    let mut names: Vec<_> = fs::read_dir(&samples).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|extension| extension == "parquet"));
    assert!(names.len() > 3, "the samples are gone");
    for path in names {
        let store = Store::new(dir.path().join(path.file_stem().unwrap()));
        let kept = |source: SourceData, format| {
            let request = SnapshotRequest {
                name: "t".into(),
                sources: vec![source],
                format: Some(format),
                ..SnapshotRequest::default()
            };
            store.snapshot(&request)
        };
        let lines = |source| fs::read_to_string(kept(source, Format::JsonLines).unwrap().object).unwrap();
        let wanted = fs::read_to_string(path.with_extension("jsonl")).unwrap();
        assert!(lines(path.clone().into()) == wanted, "{} is read otherwise", path.display());
        match kept(path.clone().into(), Format::Parquet) {
            Ok(made) => {
                let again = lines(SourceData::new(made.object, Some(Format::Parquet)));
                assert!(again == wanted, "{} is kept otherwise", path.display());
            }
            Err(problem) => assert_eq!(problem.code, "MLP0732", "{}: {problem}", path.display()),
        }
    }
}
