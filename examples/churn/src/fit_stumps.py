"""Gradient boosting with decision stumps on the logistic loss.

Each round asks one question about one feature and moves the log odds of the rows on each side by a Newton step. A
missing value is its own, third side. Features are binned at quantiles once, and each bin remembers which rows it holds,
so that a round only sums gradients.
"""

import bisect
import math
import operator
import random

import features
import step

BINS = 32
SMOOTHING = 5.0  # added to every leaf's curvature: leaves with few rows stay near zero
SMALLEST_LEAF = 20


class Feature:
    """One binned column: the values that separate its bins and the rows inside each."""

    def __init__(self, column):
        known = sorted(value for value in column if value is not None)
        self.cuts = cuts(known)
        bins = [[] for _ in range(len(self.cuts) + 1)]
        missing = []
        for row, value in enumerate(column):
            (missing if value is None else bins[bisect.bisect_right(self.cuts, value)]).append(row)
        self.bins = [Rows(rows) for rows in bins]
        self.missing = Rows(missing)


class Rows:
    """Row numbers, with a fast sum over them: `itemgetter` picks all of them in one call."""

    def __init__(self, numbers):
        self.numbers = numbers
        self.pick = operator.itemgetter(*numbers) if len(numbers) > 1 else None

    def __len__(self):
        return len(self.numbers)

    def total(self, values):
        if self.pick:
            return sum(self.pick(values))
        return sum(values[row] for row in self.numbers)


def cuts(known):
    """Half-way points between neighbouring values, at most BINS - 1 of them, at quantiles."""
    distinct = sorted(set(known))
    between = [(low + high) / 2.0 for low, high in zip(distinct, distinct[1:])]
    if len(between) < BINS:
        return between
    wanted = (known[len(known) * part // BINS] for part in range(1, BINS))
    return sorted({between[min(bisect.bisect_left(distinct, value), len(between) - 1)] for value in wanted})


def leaf(gradient, curvature):
    """The Newton step of a leaf and what it gains."""
    return gradient / (curvature + SMOOTHING), gradient * gradient / (curvature + SMOOTHING)


def best_question(feature, gradients, curvatures):
    """The cut of this feature that gains most, as (gain, bin, low step, high step, missing step), or None."""
    sums = [(rows.total(gradients), rows.total(curvatures), len(rows)) for rows in feature.bins]
    all_gradient = sum(part[0] for part in sums)
    all_curvature = sum(part[1] for part in sums)
    all_rows = sum(part[2] for part in sums)
    missing, missing_gain = leaf(feature.missing.total(gradients), feature.missing.total(curvatures))
    best, gradient, curvature, rows = None, 0.0, 0.0, 0
    for index, part in enumerate(sums[:-1]):
        gradient, curvature, rows = gradient + part[0], curvature + part[1], rows + part[2]
        if rows < SMALLEST_LEAF or all_rows - rows < SMALLEST_LEAF:
            continue
        low, low_gain = leaf(gradient, curvature)
        high, high_gain = leaf(all_gradient - gradient, all_curvature - curvature)
        gain = low_gain + high_gain + missing_gain
        if best is None or gain > best[0]:
            best = (gain, index, low, high, missing)
    return best


def boost(vectors, labels, rounds, rate):
    """The model as data: a bias and a list of questions."""
    columns = [Feature(column) for column in zip(*vectors)]
    mean = min(max(sum(labels) / len(labels), 1e-6), 1 - 1e-6)
    bias = math.log(mean / (1 - mean))
    scores = [bias] * len(labels)
    stumps = []
    for turn in range(rounds):
        chances = [features.sigmoid(score) for score in scores]
        gradients = [label - chance for label, chance in zip(labels, chances)]
        curvatures = [chance * (1 - chance) for chance in chances]
        asked = [(best_question(column, gradients, curvatures), index) for index, column in enumerate(columns)]
        asked = [(question, index) for question, index in asked if question]
        if not asked:
            break
        (_, cut, low, high, missing), index = max(asked, key=lambda found: found[0][0])
        column = columns[index]
        steps = [rate * (low if place <= cut else high) for place in range(len(column.bins))]
        for rows, move in list(zip(column.bins, steps)) + [(column.missing, rate * missing)]:
            for row in rows.numbers:
                scores[row] += move
        stumps.append({
            "feature": features.NAMES[index], "below": column.cuts[cut],
            "low": rate * low, "high": rate * high, "missing": rate * missing,
        })
        if turn % 20 == 19:
            step.progress((turn + 1) / rounds, "%d of %d rounds" % (turn + 1, rounds))
    return {"kind": "stumps", "bias": bias, "stumps": stumps, "threshold": 0.5}


def main():
    args = step.arguments(
        __doc__.splitlines()[0],
        train=("MLP_INPUT_train", str, None),
        model=("MLP_OUTPUT_model", str, None),
        rounds=("MLP_PARAM_rounds", int, "120"),
        rate=("MLP_PARAM_rate", float, "0.15"),
        shuffle_labels=("MLP_PARAM_shuffle_labels", step.truth, "false"),
    )
    rows = features.read(args.train)
    labels = [features.label(row) for row in rows]
    if args.shuffle_labels:
        # A negative test of everything after this step: there is nothing left to learn.
        random.Random(0).shuffle(labels)
    step.save_model(args.model, boost([features.vector(row) for row in rows], labels, args.rounds, args.rate))
    print("%d rows, %d rounds" % (len(rows), args.rounds))


if __name__ == "__main__":
    main()
