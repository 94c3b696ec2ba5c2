"""Splits a table in two. A customer's side depends on the id and the seed alone, so new rows move nobody."""

import csv
import hashlib
import sys

import features
import step


def position(seed, key):
    """A number in [0, 1) that looks random and never changes."""
    digest = hashlib.sha256(("%d:%s" % (seed, key)).encode("utf-8")).digest()
    return int.from_bytes(digest[:7], "big") / float(1 << 56)


def main():
    args = step.arguments(
        __doc__,
        data=("MLP_INPUT_data", str, None),
        train=("MLP_OUTPUT_train", str, None),
        test=("MLP_OUTPUT_test", str, None),
        share=("MLP_PARAM_test_share", float, "0.3"),
        seed=("MLP_PARAM_seed", int, "11"),
    )
    if not 0 < args.share < 1:
        sys.exit("--share must lie between 0 and 1")
    counts = {"train": 0, "test": 0}
    with open(args.data, newline="", encoding="utf-8") as data, \
            open(args.train, "w", newline="", encoding="utf-8") as train, \
            open(args.test, "w", newline="", encoding="utf-8") as test:
        reader = csv.DictReader(data)
        writers = {
            name: csv.DictWriter(out, reader.fieldnames, lineterminator="\n")
            for name, out in (("train", train), ("test", test))
        }
        for writer in writers.values():
            writer.writeheader()
        for row in reader:
            side = "test" if position(args.seed, row[features.KEY]) < args.share else "train"
            writers[side].writerow(row)
            counts[side] += 1
    if not all(counts.values()):
        sys.exit("one side is empty: %d rows to train, %d to test" % (counts["train"], counts["test"]))
    print("%d rows to train, %d to test" % (counts["train"], counts["test"]))


if __name__ == "__main__":
    main()
