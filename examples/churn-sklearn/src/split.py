"""Splits a table in two. A customer's side depends on the id and the seed alone, so new rows move nobody."""

import argparse
import sys

import pandas as pd

import columns


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("data", "train", "test"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--share", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=11)
    args = parser.parse_args()
    if not 0 < args.share < 1:
        sys.exit("--share must lie between 0 and 1")
    frame = pd.read_parquet(args.data)
    # A hash that is the same in every process and on every machine, spread evenly over 64 bits.
    positions = pd.util.hash_pandas_object("%d:" % args.seed + frame[columns.KEY].astype(str), index=False)
    is_test = positions.to_numpy() < args.share * 2.0**64
    sides = {"train": frame[~is_test], "test": frame[is_test]}
    if any(side.empty for side in sides.values()):
        sys.exit("one side is empty: %d rows to train, %d to test" % tuple(len(side) for side in sides.values()))
    for name, side in sides.items():
        side.to_parquet(getattr(args, name), index=False)
    print("%d rows to train, %d to test" % (len(sides["train"]), len(sides["test"])))


if __name__ == "__main__":
    main()
