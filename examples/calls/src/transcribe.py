"""From sound to letters: the strength of sixteen tone pairs in each frame, and the nearest of what each letter looked like."""

import base64
import math

import step

RATE = 4000
FRAME = 40
TONES = [300, 500, 700, 900, 1100, 1300, 1500, 1700]
WAVES = [
    [(math.cos(2 * math.pi * tone * n / RATE), math.sin(2 * math.pi * tone * n / RATE)) for n in range(FRAME)]
    for tone in TONES
]


def strengths(frame):
    """How strong each tone is in a frame, of a length of one together: loudness says nothing about letters."""
    found = []
    for wave in WAVES:
        real = sum(sample * cosine for sample, (cosine, _) in zip(frame, wave))
        imaginary = sum(sample * sine for sample, (_, sine) in zip(frame, wave))
        found.append(math.hypot(real, imaginary))
    length = math.sqrt(sum(value * value for value in found)) or 1.0
    return [value / length for value in found]


def frames(audio):
    """The strengths of each frame of a recording."""
    data = base64.b64decode(audio, validate=True)
    samples = [byte - 256 if byte > 127 else byte for byte in data]
    return [strengths(samples[at:at + FRAME]) for at in range(0, len(samples) - FRAME + 1, FRAME)]


def fit(rows):
    """What each letter looks like on average."""
    sums, counts = {}, {}
    for row in rows:
        for letter, vector in zip(row["tavic"], frames(row["audio"])):
            total = sums.setdefault(letter, [0.0] * len(TONES))
            sums[letter] = [old + new for old, new in zip(total, vector)]
            counts[letter] = counts.get(letter, 0) + 1
    return {"letters": {letter: [v / counts[letter] for v in total] for letter, total in sums.items()}}


def evaluate(document, rows):
    model = Transcriber(document)
    right = total = words_right = words = 0
    for row, answer in zip(rows, model.predict(rows)):
        right += sum(one == other for one, other in zip(row["tavic"], answer["text"]))
        total += len(row["tavic"])
        heard, said = answer["text"].split(), row["tavic"].split()
        words_right += sum(one == other for one, other in zip(heard, said))
        words += len(said)
    return {"letter_accuracy": right / total, "word_accuracy": words_right / words, "rows": len(rows)}


class Transcriber:
    """Serves the model: rows with `audio` in, `text` and how sure it is out."""

    def __init__(self, document):
        self.letters = sorted(document["letters"].items())

    @classmethod
    def load(cls, path):
        return cls(step.load(path))

    def predict(self, rows):
        return [self.hear(row["audio"]) for row in rows]

    def hear(self, audio):
        text, margins = [], []
        for vector in frames(audio):
            near = sorted((math.dist(vector, centre), letter) for letter, centre in self.letters)
            text.append(near[0][1])
            margins.append(1 - near[0][0] / near[1][0])
        sure = sum(margins) / len(margins) if margins else 0.0
        return {"text": "".join(text).strip(), "confidence": round(sure, 4)}


if __name__ == "__main__":
    step.run(fit, evaluate)
