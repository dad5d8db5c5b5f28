"""Draw until the model itself confirms what was asked, at most five times."""

import sightline as sl


def main(prompt: str = "a red circle left of a blue square") -> tuple[float, int]:
    """Give the probability of the best picture's check and how many were drawn."""
    questions = ("is there a red circle ?", "is there a blue square ?")
    with sl.Session(seed=3) as s:
        best = 0.0
        for attempt in range(1, 6):
            picture = s.generate(prompt, seed=attempt)
            checks = [s.understand(picture, question, choices=["yes", "no"]) for question in questions]
            best = max(best, min(check.probabilities["yes"] for check in checks))
            if best > 0.9:
                break
        return best, attempt


if __name__ == "__main__":
    probability, drawn = main()
    print(f"confirmed with p={probability:.2f} after {drawn} pictures")
