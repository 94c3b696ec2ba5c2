"""What every step shares: its arguments, progress lines and files that appear whole or not at all."""

import argparse
import json
import os


def arguments(description, **options):
    """Command-line arguments. One that is not given comes from the environment that every step is started in.

    Each option is `name=(variable, type, default)`; without a variable's value and a default it is required.
    """
    parser = argparse.ArgumentParser(description=description)
    for name, (variable, kind, default) in options.items():
        found = os.environ.get(variable, default)
        parser.add_argument(
            "--" + name.replace("_", "-"), type=kind, default=found, required=found is None,
            help="default: $" + variable,
        )
    return parser.parse_args()


def truth(word):
    """The type of a true/false argument."""
    if word not in ("true", "false"):
        raise argparse.ArgumentTypeError("expected true or false, got %r" % word)
    return word == "true"


def progress(share, text):
    """A line that `mlp` shows while the step runs."""
    print("mlp:progress %.2f %s" % (share, text), flush=True)


def write_json(path, document):
    """Writes beside the place and renames."""
    temporary = path + ".partial"
    with open(temporary, "w", encoding="utf-8") as out:
        json.dump(document, out, indent=1, sort_keys=True)
        out.write("\n")
    os.replace(temporary, path)


def save_model(folder, document):
    """A model is a directory; ours holds one file."""
    os.makedirs(folder, exist_ok=True)
    write_json(os.path.join(folder, "model.json"), document)
