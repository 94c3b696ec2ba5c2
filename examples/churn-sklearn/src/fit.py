"""Trains one of two scikit-learn pipelines on the training rows."""

import argparse
import os

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import columns


def boosted(rounds, rate):
    """Gradient-boosted trees: a missing value goes its own way at every split."""
    words = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return make_pipeline(
        make_column_transformer((words, columns.WORDS), remainder="passthrough"),
        HistGradientBoostingClassifier(
            max_iter=rounds, learning_rate=rate, max_leaf_nodes=8, l2_regularization=5.0, random_state=0
        ),
    )


def logistic():
    """A logistic regression: a missing value counts as the median."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    return make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore", sparse_output=False), columns.WORDS),
            (numbers, columns.NUMBERS + columns.TRUTHS),
        ),
        LogisticRegression(max_iter=500),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--kind", choices=["boosted", "logistic"], required=True)
    parser.add_argument("--rounds", type=int, default=120)
    parser.add_argument("--rate", type=float, default=0.1)
    parser.add_argument("--shuffle-labels", choices=["true", "false"], default="false")
    args = parser.parse_args()
    frame = pd.read_parquet(args.train)
    labels = columns.labels(frame)
    if args.shuffle_labels == "true":
        labels = np.random.default_rng(0).permutation(labels)
    model = boosted(args.rounds, args.rate) if args.kind == "boosted" else logistic()
    model.fit(columns.features(frame), labels)
    os.makedirs(args.model, exist_ok=True)
    joblib.dump(model, os.path.join(args.model, "model.joblib"))
    print("%s on %d rows" % (args.kind, len(frame)))


if __name__ == "__main__":
    main()
