"""The model behind an endpoint: `serve = "serve:ChurnModel"` in main.mlp. It serves both kinds of model."""

import os

import joblib

import columns

THRESHOLD = 0.5


class ChurnModel:
    """Loaded once, asked often."""

    def __init__(self, pipeline):
        self.pipeline = pipeline

    @classmethod
    def load(cls, path):
        """From a model directory."""
        return cls(joblib.load(os.path.join(path, "model.joblib")))

    def chances(self, rows):
        """The probability that each leaves."""
        return self.pipeline.predict_proba(columns.features(rows))[:, 1]

    def predict(self, rows):
        """One answer a row. Values may be missing, or be text as in a CSV field."""
        return [
            {"churn_probability": round(float(chance), 6), "churn": bool(chance >= THRESHOLD)}
            for chance in self.chances(rows)
        ]
