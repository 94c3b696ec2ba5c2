"""From English to a topic: naive Bayes over the words of a ticket."""

import math

import step


def fit(rows):
    """How often each word stands in tickets of each topic."""
    topics, words = {}, {}
    for row in rows:
        topics[row["topic"]] = topics.get(row["topic"], 0) + 1
        for word in set(row["text"].split()):
            words.setdefault(word, {}).setdefault(row["topic"], 0)
            words[word][row["topic"]] += 1
    return {"topics": topics, "words": words}


def evaluate(document, rows):
    model = Classifier(document)
    answers = model.predict(rows)
    right = sum(row["topic"] == answer["topic"] for row, answer in zip(rows, answers))
    loss = sum(
        -math.log(max(model.chances(row["text"]).get(row["topic"], 0.0), 1e-12)) for row in rows
    ) / len(rows)
    return {"accuracy": right / len(rows), "log_loss": loss, "rows": len(rows)}


class Classifier:
    """Serves the model: rows with `text` in, `topic` and its probability out."""

    def __init__(self, document):
        self.topics = document["topics"]
        self.words = document["words"]

    @classmethod
    def load(cls, path):
        return cls(step.load(path))

    def predict(self, rows):
        return [self.classify(row["text"]) for row in rows]

    def classify(self, text):
        chances = self.chances(text)
        topic = max(sorted(chances), key=chances.get)
        return {"topic": topic, "probability": round(chances[topic], 6)}

    def chances(self, text):
        scores = {}
        for topic, count in self.topics.items():
            score = math.log(count)
            for word in set(text.split()) & self.words.keys():
                score += math.log((self.words[word].get(topic, 0) + 1) / (count + 2))
            scores[topic] = score
        highest = max(scores.values())
        weights = {topic: math.exp(score - highest) for topic, score in scores.items()}
        total = sum(weights.values())
        return {topic: weight / total for topic, weight in weights.items()}


if __name__ == "__main__":
    step.run(fit, evaluate)
