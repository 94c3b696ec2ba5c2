"""Judges a model on rows it has not seen."""

import argparse
import json

import pandas as pd
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

import columns
import serve


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("model", "test", "metrics"):
        parser.add_argument("--" + name, required=True)
    args = parser.parse_args()
    frame = pd.read_parquet(args.test)
    labels = columns.labels(frame)
    chances = serve.ChurnModel.load(args.model).chances(frame)
    slices = {}
    for plan, inside in frame.reset_index(drop=True).groupby("plan").indices.items():
        if len(set(labels[inside])) == 2:
            slices[plan] = {"auc": round(roc_auc_score(labels[inside], chances[inside]), 6), "rows": len(inside)}
    metrics = {
        "auc": round(roc_auc_score(labels, chances), 6),
        "log_loss": round(log_loss(labels, chances), 6),
        "brier": round(brier_score_loss(labels, chances), 6),
        "rows": len(frame),
        "slices": {"plan": slices},
    }
    with open(args.metrics, "w", encoding="utf-8") as out:
        json.dump(metrics, out, indent=1, sort_keys=True)
    print("auc %(auc).4f, log loss %(log_loss).4f, brier %(brier).4f over %(rows)d rows" % metrics)


if __name__ == "__main__":
    main()
