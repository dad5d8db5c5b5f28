"""A plan as data: checked before anything runs, priced, run, and priced again now that it is known."""

from pathlib import Path

import sightline as sl


def main() -> tuple[sl.PlanRun, sl.Estimate, sl.Estimate]:
    """Give the run of plan.yaml, and what it was expected to take before and after."""
    plan = sl.Plan.read(Path(__file__).with_name("plan.yaml"))
    with sl.Session(seed=11) as s:
        photo = s.generate("a red star at the top left and a blue ring at the bottom right")
        wrong = plan.check(s.toolset(include=["understand", "edit"]))
        print(f"without the tool grid: {wrong[0]}")
        before = s.estimate(plan, {"photo": photo})
        made = s.run(plan, {"photo": photo}, budget=sl.Budget(steps=10, images=6))
        return made, before, s.estimate(plan, {"photo": photo})


if __name__ == "__main__":
    run, first, again = main()
    print(first)
    print(run)
    print(again)
