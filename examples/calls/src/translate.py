"""From Tavic to English: a table of words learned from sentences that mean the same, though nobody said which word is which.

The table is the first of the IBM models: expectation and maximisation over all ways to pair the words of two sentences.
"""

import collections

import step

TURNS = 8


def fit(rows):
    """Which English word each word of Tavic stands for."""
    pairs = [(row["tavic"].split(), row["english"].split()) for row in rows]
    chance = {}
    for tavic, english in pairs:
        for word in tavic:
            for other in english:
                chance.setdefault(word, {})[other] = 1.0
    for _ in range(TURNS):
        counts = {word: {} for word in chance}
        for tavic, english in pairs:
            for other in english:
                total = sum(chance[word][other] for word in tavic)
                for word in tavic:
                    counts[word][other] = counts[word].get(other, 0.0) + chance[word][other] / total
        for word, found in counts.items():
            total = sum(found.values())
            chance[word] = {other: value / total for other, value in found.items()}
    return {"words": {word: max(sorted(found), key=found.get) for word, found in chance.items()}}


def evaluate(document, rows):
    model = Translator(document)
    right = total = 0
    for row, answer in zip(rows, model.predict([{"text": row["tavic"]} for row in rows])):
        both = collections.Counter(row["english"].split()) & collections.Counter(answer["text"].split())
        right += sum(both.values())
        total += len(row["tavic"].split())
    return {"words_right": right / total, "words": len(document["words"]), "rows": len(rows)}


def near(word, other):
    """Whether one letter at most was misheard."""
    return len(word) == len(other) and sum(a != b for a, b in zip(word, other)) <= 1


class Translator:
    """Serves the model: rows with `text` in, `text` and the share of known words out."""

    def __init__(self, document):
        self.words = document["words"]

    @classmethod
    def load(cls, path):
        return cls(step.load(path))

    def predict(self, rows):
        return [self.translate(row["text"]) for row in rows]

    def translate(self, text):
        known, words = 0, []
        # English puts first what Tavic puts last.
        for word in reversed(text.split()):
            found = self.words.get(word)
            known += found is not None
            if found is None:
                found = next((self.words[other] for other in sorted(self.words) if near(word, other)), None)
            if found is not None:
                words.append(found)
        count = len(text.split())
        return {"text": " ".join(words), "known": round(known / count, 4) if count else 0.0}


if __name__ == "__main__":
    step.run(fit, evaluate)
