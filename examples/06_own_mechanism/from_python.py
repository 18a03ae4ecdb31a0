"""The same from Python: load, simulate, draw, sweep with two workers, one member again, export."""

import sys
from pathlib import Path

import backfire
from backfire.sweeps import rerun

HERE = Path(__file__).parent


def main(out: Path) -> None:
    scenario = backfire.load(HERE / "lymphoma.toml")  # or backfire.load(file, mechanisms=["my_cells.py"]), or [TCells]
    result = backfire.simulate(scenario)
    for arm, course in result.trajectories.items():
        fewest = course.values[:, course.names.index("t_cells")].min()
        print(f"{arm:12s} final burden {result.outcomes[arm]['final_burden'].value:8.2g}, fewest T cells {fewest:8.2g}")
    backfire.figures.comparison(result).savefig(out / "lymphoma.png")
    (out / "lymphoma.xml").write_text(backfire.export(scenario, "monotherapy"), encoding="utf-8")
    swept = backfire.sweep(HERE / "spared.toml", out / "sweeps", workers=2)
    print(swept.table().query("arm == 'monotherapy'").groupby("t_cell_loss")["final_burden"].max())
    rows, _ = rerun(swept.folder, member=7)
    print("member 7 again:", "different" if any(row.different for row in rows) else "bit-identical")


if __name__ == "__main__":  # worker processes import the script that starts them
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
