"""Judges a model on rows it has not seen."""

import math

import features
import serve
import step


def auc(chances, labels):
    """The probability that a leaver ranks above a stayer, ties counting half; None without both."""
    order = sorted(range(len(chances)), key=chances.__getitem__)
    ranks, start = 0.0, 0
    while start < len(order):
        end = start
        while end < len(order) and chances[order[end]] == chances[order[start]]:
            end += 1
        middle = (start + 1 + end) / 2.0
        ranks += middle * sum(labels[row] for row in order[start:end])
        start = end
    leavers = sum(labels)
    stayers = len(labels) - leavers
    if not leavers or not stayers:
        return None
    return (ranks - leavers * (leavers + 1) / 2.0) / (leavers * stayers)


def log_loss(chances, labels):
    """Mean negative log likelihood."""
    total = 0.0
    for chance, label in zip(chances, labels):
        total -= math.log(max(chance if label else 1 - chance, 1e-12))
    return total / len(labels)


def by_plan(rows, chances, labels):
    """The AUC within each plan that holds both leavers and stayers."""
    result = {}
    for plan in sorted({row["plan"] for row in rows}):
        inside = [index for index, row in enumerate(rows) if row["plan"] == plan]
        value = auc([chances[index] for index in inside], [labels[index] for index in inside])
        if value is not None:
            result[plan] = {"auc": round(value, 6), "rows": len(inside)}
    return result


def main():
    args = step.arguments(
        __doc__,
        model=("MLP_INPUT_model", str, None),
        test=("MLP_INPUT_test", str, None),
        metrics=("MLP_OUTPUT_metrics", str, None),
    )
    rows = features.read(args.test)
    labels = [features.label(row) for row in rows]
    answers = serve.ChurnModel.load(args.model).predict(rows)
    chances = [answer["churn_probability"] for answer in answers]
    area = auc(chances, labels)
    if area is None:
        raise SystemExit("the test rows hold no leaver or no stayer: there is no AUC")
    metrics = {
        "auc": round(area, 6),
        "log_loss": round(log_loss(chances, labels), 6),
        "brier": round(sum((c - y) ** 2 for c, y in zip(chances, labels)) / len(rows), 6),
        "rows": len(rows),
        "slices": {"plan": by_plan(rows, chances, labels)},
    }
    step.write_json(args.metrics, metrics)
    print("auc %(auc).4f, log loss %(log_loss).4f, brier %(brier).4f over %(rows)d rows" % metrics)


if __name__ == "__main__":
    main()
