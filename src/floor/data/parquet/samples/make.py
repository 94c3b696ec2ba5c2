"""Writes the samples with pyarrow 26 and polars. What they hold (`*.jsonl`) is reviewed by hand."""

import datetime as dt
import decimal
import os

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

HERE = os.path.dirname(os.path.abspath(__file__))


def write(name, columns, **options):
    pq.write_table(pa.table(columns), os.path.join(HERE, name + ".parquet"), **options)


def decimals(precision, scale):
    kind = pa.decimal128 if precision <= 38 else pa.decimal256
    exact = decimal.Context(prec=80)
    numbers = [10**precision - 1, -(10**precision) + 1, 5, -5, 0]
    values = [decimal.Decimal(number).scaleb(-scale, exact) for number in numbers]
    return pa.array(values + [None], kind(precision, scale))


INTEGERS = [pa.int8(), pa.int16(), pa.int32(), pa.int64()]
UNSIGNED = [pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
FLOATS = [0.0, -0.0, 1.0, 0.1, 1e-5, 1.5e-7, 1e15, 1e16, 123456789012345680.0, 1e300, 5e-324, 1 / 3]
FLOATS += [float("nan"), float("inf"), float("-inf"), None]
COUNTS = [0, 1, -1, 999, 1_769_860_800_123, -62_135_596_800, None]
TEXTS = ["basic", None, "", 'é"\n', "1", "true", "x" * 70]

numbers = {
    str(kind): pa.array([2 ** (kind.bit_width - 1) - 1, -(2 ** (kind.bit_width - 1)), 0, None, 7], kind)
    for kind in INTEGERS
}
numbers |= {str(kind): pa.array([2**kind.bit_width - 1, 0, 1, None, 7], kind) for kind in UNSIGNED}
write("integers", numbers)
write("integers_v2", numbers, data_page_version="2.0", row_group_size=2, compression="zstd")
halves = [0.0, 0.1, 65504.0, 6e-8, -1.5, float("nan"), float("inf"), None]
write(
    "floats",
    {
        "f64": pa.array(FLOATS),
        "f32": pa.array([x if x is None or abs(x) != 1e300 else 1e30 for x in FLOATS], pa.float32()),
    },
)
write("halves", {"f16": pa.array(halves, pa.float16())})
sizes = [(1, 0), (3, 3), (9, 2), (18, 4), (19, 0), (38, 10), (39, 3), (76, 76)]
write("decimals", {f"d{precision}_{scale}": decimals(precision, scale) for precision, scale in sizes})
write("decimals_as_integers", {"a": decimals(9, 2), "b": decimals(18, 4)}, store_decimal_as_integer=True)
times = {}
for unit in ["s", "ms", "us", "ns"]:
    times[unit] = pa.array(COUNTS, pa.timestamp(unit))
    times[unit + "_utc"] = pa.array(COUNTS, pa.timestamp(unit, tz="Europe/Berlin"))
times["s"] = times["s_utc"] = pa.array(
    [None if count is None else count // 1000 for count in COUNTS], pa.timestamp("s")
)
write("timestamps", times)
instants = [
    dt.datetime(9999, 12, 31, 23, 59, 59),
    dt.datetime(1, 1, 1),
    dt.datetime(2026, 1, 1, 1, 1, 1, 5),
    None,
]
legacy = {
    "a": pa.array(instants, pa.timestamp("us")),
    "b": pa.array(instants, pa.timestamp("us", tz="Asia/Tokyo")),
}
write("timestamps_96", legacy, use_deprecated_int96_timestamps=True)
clocks = {
    "date": pa.array([0, -1, 20_484, None], pa.date32()),
    "s": pa.array([0, 1, 86_399, None], pa.time32("s")),
}
clocks["ms"] = pa.array([0, 1, 86_399_999, None], pa.time32("ms"))
clocks["us"] = pa.array([0, 1, 86_399_999_999, None], pa.time64("us"))
clocks["ns"] = pa.array([0, 1, 86_399_999_999_999, None], pa.time64("ns"))
write("dates_and_times", clocks)
write("durations", {unit: pa.array(COUNTS, pa.duration(unit)) for unit in ["s", "ms", "us", "ns"]})
texts = {
    "text": pa.array(TEXTS),
    "large": pa.array(TEXTS, pa.large_string()),
    "coded": pa.array(TEXTS).dictionary_encode(),
}
texts["bool"] = pa.array([True, False, None, True, None, False, True])
texts["nothing"] = pa.nulls(7)
write("texts", texts, compression="snappy")
write("texts_delta", {"text": pa.array(TEXTS)}, use_dictionary=False, column_encoding="DELTA_BYTE_ARRAY")
rows = [
    {
        "l": [1, None, 3],
        "ll": [[1.5, None], None, []],
        "s": {"x": 1, "y": "a"},
        "ls": [{"a": 1, "b": [1, 2]}, None],
        "m": [("k", [1]), ("l", None)],
    },
    {"l": None, "ll": None, "s": None, "ls": None, "m": None},
    {"l": [], "ll": [], "s": {"x": None, "y": None}, "ls": [], "m": []},
    {
        "l": [7],
        "ll": [[]],
        "s": {"x": 2, "y": None},
        "ls": [{"a": None, "b": None}, {"a": 5, "b": []}],
        "m": [("é", [])],
    },
]
inner = pa.struct([("a", pa.uint8()), ("b", pa.large_list(pa.timestamp("ms", tz="UTC")))])
schema = [
    ("l", pa.list_(pa.int32())),
    ("ll", pa.list_(pa.list_(pa.float64()))),
    ("s", pa.struct([("x", pa.int8()), ("y", pa.string())])),
]
schema += [("ls", pa.list_(inner)), ("m", pa.map_(pa.string(), pa.list_(pa.int16())))]
table = pa.Table.from_pylist(rows * 5, schema=pa.schema(schema))
pq.write_table(table, os.path.join(HERE, "nested.parquet"), data_page_size=64, row_group_size=7)
pq.write_table(table, os.path.join(HERE, "nested_plain.parquet"), store_schema=False, data_page_version="2.0")
frame = {
    "i": [1, None],
    "d": [dt.date(2026, 1, 1), None],
    "t": [dt.datetime(2026, 1, 1, 1, 1, 1), None],
    "l": [[1, 2], None],
    "s": [{"a": 1}, {"a": 2}],
}
frame |= {
    "span": [dt.timedelta(seconds=5), None],
    "clock": [dt.time(1, 2, 3), None],
    "c": pl.Series(["x", "y"], dtype=pl.Categorical),
}
pl.DataFrame(frame).write_parquet(os.path.join(HERE, "polars.parquet"))
