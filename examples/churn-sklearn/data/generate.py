"""Writes the customers table: the same bytes for the same --rows and --seed.

Whether a customer leaves is drawn from a probability, never decided, so no model can be perfect. The probability
depends on steps, a U-shape and two interactions beside straight lines: boosted stumps see the steps and the U-shape, a
logistic regression sees only the lines, and neither sees the interactions.
"""

import argparse
import csv
import math
import os
import random
import tempfile

COLUMNS = [
    "customer_id", "tenure_months", "plan", "monthly_charge", "total_charge", "support_calls", "late_payments",
    "data_used_gb", "satisfaction", "autopay", "region", "referred", "last_login_days", "churned",
]
PLANS = [("basic", 0.5), ("plus", 0.3), ("premium", 0.2)]
REGIONS = [("north", 0.3), ("south", 0.25), ("east", 0.25), ("west", 0.2)]
BASE_CHARGE = {"basic": 25.0, "plus": 45.0, "premium": 80.0}


def pick(rng, weighted):
    """One of the values, by weight."""
    left = rng.random()
    for value, weight in weighted:
        left -= weight
        if left < 0:
            return value
    return weighted[-1][0]


def normal(rng, mean, deviation):
    """Box-Muller on rng.random() alone: that generator is the same in every version of Python."""
    radius = math.sqrt(-2.0 * math.log(1.0 - rng.random()))
    return mean + deviation * radius * math.cos(2.0 * math.pi * rng.random())


def poisson(rng, mean):
    """Knuth's method: good for the small means used here."""
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count


def customer(rng, number):
    """Everything that is true about one customer, before the export loses some of it."""
    plan = pick(rng, PLANS)
    tenure = min(120, int(-28.0 * math.log(1.0 - rng.random())))
    monthly = round(max(9.0, normal(rng, BASE_CHARGE[plan], 6.0)), 2)
    total = monthly * tenure * max(0.7, normal(rng, 1.0, 0.06))
    return {
        "customer_id": "C%06d" % number,
        "tenure_months": tenure,
        "plan": plan,
        "monthly_charge": monthly,
        "total_charge": round(total, 2),
        "support_calls": poisson(rng, 1.4),
        "late_payments": poisson(rng, 0.7),
        "data_used_gb": round(math.exp(normal(rng, 2.2, 0.8)), 2),
        "satisfaction": round(min(5.0, max(1.0, normal(rng, 3.4, 1.0))), 1),
        "autopay": rng.random() < 0.55,
        "region": pick(rng, REGIONS),
        "referred": rng.random() < 0.2,
        "last_login_days": int(-16.0 * math.log(1.0 - rng.random())),
    }


def log_odds(row):
    """How likely this customer is to leave."""
    odds = -3.5
    # Steps: the first half-year, the fourth call to support, a month without a login.
    odds += 2.0 if row["tenure_months"] < 6 else 0.0
    odds -= 1.2 if row["tenure_months"] >= 48 else 0.0
    odds += 2.2 if row["support_calls"] >= 4 else 0.3 * row["support_calls"]
    odds += 1.9 if row["last_login_days"] > 30 else 0.0
    # A U-shape: who hardly uses the service leaves, and so does who always meets its limits.
    odds += 1.5 * abs(math.log(row["data_used_gb"]) - 2.2)
    # Straight lines.
    odds -= 0.85 * (row["satisfaction"] - 3.4)
    odds += 0.55 * row["late_payments"]
    odds -= 0.9 if row["autopay"] else 0.0
    odds -= 0.6 if row["referred"] else 0.0
    odds += 0.009 * (row["monthly_charge"] - 40.0)
    odds += 0.3 if row["region"] == "west" else 0.0
    # Interactions.
    odds += 0.9 if row["plan"] == "premium" and row["satisfaction"] < 3.0 else 0.0
    odds += 0.6 if row["late_payments"] >= 2 and not row["autopay"] else 0.0
    return odds


def lose(rng, row):
    """What the export does not know. The dissatisfied answer the survey less often, so a gap there says something."""
    silent = 0.28 if row["satisfaction"] < 2.5 else 0.10
    for column, share in (
        ("total_charge", 0.03), ("data_used_gb", 0.05), ("satisfaction", silent), ("last_login_days", 0.04),
    ):
        if rng.random() < share:
            row[column] = None


def text(value):
    """One CSV field."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def rows(count, seed):
    """The table, row by row."""
    rng = random.Random(seed)
    for number in range(1, count + 1):
        row = customer(rng, number)
        row["churned"] = rng.random() < 1.0 / (1.0 + math.exp(-log_odds(row)))
        lose(rng, row)
        yield [text(row[column]) for column in COLUMNS]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    folder = os.path.dirname(os.path.abspath(args.out))
    os.makedirs(folder, exist_ok=True)
    # Written beside its place and renamed: a reader finds the whole table or none.
    handle, temporary = tempfile.mkstemp(prefix=".customers-", dir=folder)
    try:
        with os.fdopen(handle, "w", newline="", encoding="utf-8") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(rows(args.rows, args.seed))
        os.chmod(temporary, 0o644)
        os.replace(temporary, args.out)
    except BaseException:
        os.unlink(temporary)
        raise


if __name__ == "__main__":
    main()
