"""Logistic regression by Newton's method, with a small ridge.

Features are standardised, and a missing value is replaced by the mean.
"""

import math

import features
import step

RIDGE = 1.0
STEPS = 12


def moments(column):
    """Mean and deviation of what is known; a constant column has deviation 1."""
    known = [value for value in column if value is not None]
    mean = sum(known) / len(known) if known else 0.0
    spread = math.sqrt(sum((value - mean) ** 2 for value in known) / len(known)) if known else 0.0
    return mean, spread or 1.0


def standardise(vector, scales):
    """The mean becomes 0, so a missing value is 0. A leading 1 carries the bias."""
    return [1.0] + [0.0 if value is None else (value - mean) / spread
                    for value, (mean, spread) in zip(vector, scales)]


def solve(matrix, right):
    """Gaussian elimination with partial pivoting."""
    size = len(right)
    rows = [list(line) + [value] for line, value in zip(matrix, right)]
    for pivot in range(size):
        swap = max(range(pivot, size), key=lambda line: abs(rows[line][pivot]))
        rows[pivot], rows[swap] = rows[swap], rows[pivot]
        for line in range(pivot + 1, size):
            factor = rows[line][pivot] / rows[pivot][pivot]
            if factor:
                rows[line] = [a - factor * b for a, b in zip(rows[line], rows[pivot])]
    result = [0.0] * size
    for line in reversed(range(size)):
        done = sum(rows[line][column] * result[column] for column in range(line + 1, size))
        result[line] = (rows[line][size] - done) / rows[line][line]
    return result


def newton_step(inputs, labels, weights):
    """The move that minimises the loss's quadratic approximation at these weights."""
    size = len(weights)
    # The bias is not pulled towards zero; its tiny ridge only keeps the matrix regular.
    ridge = [1e-9] + [RIDGE] * (size - 1)
    gradient = [-pull * weight for pull, weight in zip(ridge, weights)]
    matrix = [[ridge[line] if line == column else 0.0 for column in range(size)] for line in range(size)]
    for row, label in zip(inputs, labels):
        chance = features.sigmoid(sum(map(float.__mul__, row, weights)))
        curvature, error = chance * (1 - chance), label - chance
        for line, value in enumerate(row):
            gradient[line] += error * value
            scaled, target = curvature * value, matrix[line]
            for column in range(line + 1):
                target[column] += scaled * row[column]
    for line in range(size):
        for column in range(line):
            matrix[column][line] = matrix[line][column]
    return solve(matrix, gradient)


def fit(vectors, labels):
    """The model as data: a bias and one weight a feature."""
    scales = [moments(column) for column in zip(*vectors)]
    inputs = [standardise(vector, scales) for vector in vectors]
    weights = [0.0] * len(inputs[0])
    for turn in range(STEPS):
        move = newton_step(inputs, labels, weights)
        weights = [weight + change for weight, change in zip(weights, move)]
        step.progress((turn + 1) / STEPS, "step %d" % (turn + 1))
        if max(map(abs, move)) < 1e-6:
            break
    terms = [
        {"feature": name, "mean": mean, "spread": spread, "weight": weight}
        for name, (mean, spread), weight in zip(features.NAMES, scales, weights[1:])
    ]
    return {"kind": "logistic", "bias": weights[0], "terms": terms, "threshold": 0.5}


def main():
    args = step.arguments(
        __doc__.splitlines()[0],
        train=("MLP_INPUT_train", str, None),
        model=("MLP_OUTPUT_model", str, None),
    )
    rows = features.read(args.train)
    model = fit([features.vector(row) for row in rows], [features.label(row) for row in rows])
    step.save_model(args.model, model)
    print("%d rows" % len(rows))


if __name__ == "__main__":
    main()
