"""The columns that a model may look at, and what counts as the answer."""

import pandas as pd

KEY = "customer_id"
LABEL = "churned"
WORDS = ["plan", "region"]
TRUTHS = ["autopay", "referred"]
NUMBERS = [
    "tenure_months", "monthly_charge", "total_charge", "support_calls", "late_payments", "data_used_gb",
    "satisfaction", "last_login_days",
]
FEATURES = NUMBERS + TRUTHS + WORDS


def features(rows):
    """What a model sees of these rows (a frame, or a list of objects as they come over the network)."""
    frame = pd.DataFrame(rows).reindex(columns=FEATURES)
    for name in NUMBERS:
        frame[name] = pd.to_numeric(frame[name], errors="coerce")
    for name in TRUTHS:
        frame[name] = frame[name].map(truth).astype("float64")
    for name in WORDS:
        frame[name] = frame[name].astype("object").where(frame[name].notna(), "unknown")
    return frame


def truth(value):
    """1, 0, or nothing: a boolean, or a text as in a CSV field."""
    if isinstance(value, str):
        return {"true": 1.0, "false": 0.0}.get(value.lower())
    return None if pd.isna(value) else float(bool(value))


def labels(frame):
    """1 for who left."""
    return frame[LABEL].astype("int64").to_numpy()
