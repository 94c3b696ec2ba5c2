"""What every step shares: tables, models that are directories, and metrics.

A step is started as `python3 <module>.py fit|evaluate` and finds its files in the environment, as docs/steps.md says.
"""

import csv
import json
import os
import sys


def rows(name, part):
    """The rows of one part of the input of that name."""
    with open(os.environ["MLP_INPUT_" + name], newline="", encoding="utf-8") as table:
        return [row for row in csv.DictReader(table) if row["part"] == part]


def load(folder):
    """The document of a model directory."""
    with open(os.path.join(folder, "model.json"), encoding="utf-8") as file:
        return json.load(file)


def save(document):
    """Writes the model; a model is a directory, ours holds one file."""
    folder = os.environ["MLP_OUTPUT_model"]
    os.makedirs(folder)
    with open(os.path.join(folder, "model.json"), "w", encoding="utf-8") as out:
        json.dump(document, out, indent=1, sort_keys=True)
        out.write("\n")


def run(fit, evaluate):
    """Does the half that the command names."""
    if sys.argv[1:] == ["fit"]:
        save(fit(rows("data", "train")))
    elif sys.argv[1:] == ["evaluate"]:
        metrics = evaluate(load(os.environ["MLP_INPUT_model"]), rows("data", "test"))
        with open(os.environ["MLP_OUTPUT_metrics"], "w", encoding="utf-8") as out:
            json.dump(metrics, out)
        print(json.dumps(metrics))
    else:
        sys.exit("usage: fit | evaluate")
