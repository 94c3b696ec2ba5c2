"""The model behind an endpoint: `serve = "serve:ChurnModel"` in main.mlp. It serves both kinds of model."""

import json
import os

import features


class ChurnModel:
    """Loaded once, asked often."""

    def __init__(self, document):
        score = {"stumps": stumps, "logistic": logistic}.get(document["kind"])
        if score is None:
            raise ValueError("model.json: unknown kind %r" % document["kind"])
        self.score = score(document)
        self.threshold = document["threshold"]

    @classmethod
    def load(cls, path):
        """From a model directory."""
        with open(os.path.join(path, "model.json"), encoding="utf-8") as file:
            return cls(json.load(file))

    def predict(self, rows):
        """One answer a row. Values may be missing, or be text as in a CSV field."""
        return [self.answer(row) for row in rows]

    def answer(self, row):
        chance = features.sigmoid(self.score(features.vector(row)))
        return {"churn_probability": round(chance, 6), "churn": chance >= self.threshold}


def stumps(document):
    """Log odds of boosted stumps."""
    bias = document["bias"]
    asked = [
        (features.NAMES.index(one["feature"]), one["below"], one["low"], one["high"], one["missing"])
        for one in document["stumps"]
    ]

    def score(vector):
        total = bias
        for index, below, low, high, missing in asked:
            value = vector[index]
            total += missing if value is None else low if value < below else high
        return total

    return score


def logistic(document):
    """Log odds of a logistic regression; a missing value counts as the mean."""
    bias = document["bias"]
    terms = [
        (features.NAMES.index(one["feature"]), one["mean"], one["weight"] / one["spread"])
        for one in document["terms"]
    ]

    def score(vector):
        return bias + sum(
            (vector[index] - mean) * weight for index, mean, weight in terms if vector[index] is not None
        )

    return score
