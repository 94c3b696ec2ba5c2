"""From a row to numbers: what both models read, at training and when serving."""

import csv
import math

LABEL = "churned"
KEY = "customer_id"
NUMBERS = [
    "tenure_months", "monthly_charge", "total_charge", "support_calls", "late_payments", "data_used_gb",
    "satisfaction", "last_login_days",
]
FLAGS = ["autopay", "referred"]
CATEGORIES = [("plan", ["basic", "plus", "premium"]), ("region", ["north", "south", "east", "west"])]
NAMES = NUMBERS + FLAGS + ["%s=%s" % (column, value) for column, values in CATEGORIES for value in values]

TRUE = {"true", "yes", "1"}
FALSE = {"false", "no", "0"}


def number(column, value):
    """A float, or None for what is missing. `value` may come from JSON or from a CSV field."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        result = float(value)
    except (TypeError, ValueError):
        raise ValueError("%s: not a number: %r" % (column, value)) from None
    return result if math.isfinite(result) else None


def flag(column, value):
    """1.0, 0.0, or None for what is missing."""
    if isinstance(value, bool):
        return 1.0 if value else 0.0
    word = "" if value is None else str(value).strip().lower()
    if not word:
        return None
    if word in TRUE or word in FALSE:
        return 1.0 if word in TRUE else 0.0
    raise ValueError("%s: neither true nor false: %r" % (column, value))


def one_hot(value, values):
    """One column a known value. A missing value is missing in each; an unknown one is 0 in each."""
    if value is None or value == "":
        return [None] * len(values)
    return [1.0 if value == known else 0.0 for known in values]


def vector(row):
    """The features of one row in the order of NAMES; None marks a missing one."""
    result = [number(column, row.get(column)) for column in NUMBERS]
    result += [flag(column, row.get(column)) for column in FLAGS]
    for column, values in CATEGORIES:
        result += one_hot(row.get(column), values)
    return result


def label(row):
    """1.0 for a customer who left."""
    value = flag(LABEL, row.get(LABEL))
    if value is None:
        raise ValueError("%s: a row to learn from or to judge by needs a label" % LABEL)
    return value


def read(path):
    """The rows of a CSV table as dictionaries."""
    with open(path, newline="", encoding="utf-8") as table:
        return list(csv.DictReader(table))


def sigmoid(score):
    """The probability behind log odds, without overflow."""
    if score >= 0:
        return 1.0 / (1.0 + math.exp(-score))
    power = math.exp(score)
    return power / (1.0 + power)
