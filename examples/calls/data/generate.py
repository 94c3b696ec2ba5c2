"""Writes what a helpline would have collected: the same bytes for the same --what, --rows and --seed.

Callers speak Tavic, a made-up language. On the line each of its letters is two tones at once, as on a telephone's keys, of
ten milliseconds; a pause stands between words. A recording is 8-bit sound at 4 kHz in base64, with noise, and some callers are
far from the microphone. Tavic has no articles, puts the last word first, and every other word has one counterpart in English. Who wrote the tickets
sometimes ticked the wrong topic, and who translated sometimes left a word out.
"""

import argparse
import base64
import csv
import hashlib
import math
import os
import random
import tempfile

RATE = 4000
FRAME = 40
LOW = [300, 500, 700, 900]
HIGH = [1100, 1300, 1500, 1700]
LETTERS = "ktvsrlmnaeiou"
PAUSE = " "
DROPPED = {"the", "is", "a", "for", "to"}

TOPICS = {
    "billing": [
        "the bill for {month} is wrong", "i was charged twice for {thing}", "please refund the {thing} charge",
        "why does my {thing} cost so much", "my bill of {month} has a mistake", "a mistake on the bill of {thing}",
        "so much charged in {month}", "why was the {thing} bill charged twice",
    ],
    "outage": [
        "the {thing} is down since {day}", "there is no {thing} in my house", "{thing} fails every {day}",
        "the line broke again on {day}", "my {thing} is slow and fails", "no line since {day}",
        "{thing} down again and so slow", "the {thing} in my house broke every {day}",
    ],
    "cancel": [
        "please cancel my {thing}", "i want to leave in {month}", "close my account on {day}",
        "i found a cheaper {thing} and leave", "stop my contract in {month}", "please close the {thing} contract",
        "i cancel and leave on {day}", "i want a cheaper {thing} contract", "please stop my account",
    ],
    "praise": [
        "thank you for the quick help", "the {thing} works well again", "the new {thing} is great",
        "my thanks to the friendly team", "great help on {day} thank you", "the quick team works well",
        "friendly help again thank you", "new and great {thing}", "great thanks to the team",
    ],
}
SLOTS = {
    "thing": ["internet", "phone", "television", "cable"],
    "month": ["january", "march", "june", "october"],
    "day": ["monday", "friday", "sunday", "morning"],
}
COLUMNS = {
    "recordings": ["id", "part", "audio", "tavic", "english", "topic"],
    "pairs": ["id", "part", "tavic", "english"],
    "tickets": ["id", "part", "text", "topic"],
}


def sentence(rng):
    """A topic and something a caller says about it."""
    topic = rng.choice(sorted(TOPICS))
    text = rng.choice(TOPICS[topic])
    for name, words in SLOTS.items():
        text = text.replace("{%s}" % name, rng.choice(words))
    return topic, text


def word_in_tavic(word):
    """Consonants and vowels in turn, drawn from the word itself: three or four syllables never collide here."""
    digest = hashlib.sha256(word.encode()).digest()
    consonants, vowels = LETTERS[:8], LETTERS[8:]
    syllables = 3 + digest[0] % 2
    return "".join(
        consonants[digest[2 * n + 1] % len(consonants)] + vowels[digest[2 * n + 2] % len(vowels)]
        for n in range(syllables)
    )


def in_tavic(english):
    """The last word first, without articles."""
    return " ".join(word_in_tavic(word) for word in reversed(english.split()) if word not in DROPPED)


def tones(letter):
    """The two tones of a letter."""
    index = (LETTERS + PAUSE).index(letter)
    return LOW[index // 4], HIGH[index % 4]


def recording(rng, tavic):
    """What the microphone heard, as text."""
    loudness = rng.uniform(0.35, 1.0)
    samples = []
    for letter in tavic:
        low, high = tones(letter)
        phase = rng.uniform(0, 2 * math.pi)
        for n in range(FRAME):
            at = 2 * math.pi * n / RATE
            value = 40 * loudness * (math.sin(low * at + phase) + math.sin(high * at)) + rng.gauss(0, 24)
            samples.append(max(-127, min(127, round(value))) & 0xFF)
    return base64.b64encode(bytes(samples)).decode()


def row(what, rng, index):
    topic, english = sentence(rng)
    found = {
        "id": "%s-%05d" % (what[0], index), "part": "test" if index % 5 == 4 else "train", "topic": topic,
        "english": english, "text": english, "tavic": in_tavic(english),
    }
    if what == "tickets" and rng.random() < 0.06:
        found["topic"] = rng.choice(sorted(TOPICS))
    if what == "pairs" and rng.random() < 0.1:
        words = english.split()
        words.pop(rng.randrange(len(words)))
        found["english"] = " ".join(words)
    if what == "recordings":
        found["audio"] = recording(rng, found["tavic"])
    return {name: found[name] for name in COLUMNS[what]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--what", choices=sorted(COLUMNS), required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    rng = random.Random("%s %d" % (args.what, args.seed))
    folder = os.path.dirname(os.path.abspath(args.out))
    # Beside the place, then renamed: nobody reads half a table.
    handle, temporary = tempfile.mkstemp(dir=folder, suffix=".partial")
    with os.fdopen(handle, "w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, COLUMNS[args.what], lineterminator="\n")
        writer.writeheader()
        for index in range(args.rows):
            writer.writerow(row(args.what, rng, index))
    os.replace(temporary, args.out)


if __name__ == "__main__":
    main()
