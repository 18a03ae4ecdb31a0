"""T cells that hold a tumour, and that chemotherapy kills along with it: a mechanism of one's own, in a plain Python file."""

from collections.abc import Iterator
from dataclasses import dataclass

from backfire import Mechanism, Parameter, Part, Process, State, option


@dataclass(frozen=True)
class TCells(Mechanism):
    """T cells kill tumour cells, the tumour recruits T cells, and chemotherapy kills both.

    dT/dt = s + p·T·B/(g + B) - d·T - l·effect·T        kill of active cells A: n·T·A
    T are the T cells at the tumour, B its burden. Without the drug (l = 0) this is the model of Kuznetsov and others 1994,
    Bull Math Biol 56:295, of a lymphoma in mice, but for the T cells that a tumour exhausts.
    """

    label = "t_cells"

    killed_by: str = option("the drug that kills T cells, too", example="doxorubicin")

    def parts(self) -> Iterator[Part]:
        fitted = {"source": "Kuznetsov 1994: fitted to a lymphoma in mice", "grade": "recalled"}
        yield Parameter("t_cell_supply", 1.3e4, "cell/day", "T cells that come without a tumour", range=(2e3, 5e4), **fitted)
        yield Parameter("t_cell_death_rate", 0.0412, "1/day", "death rate of T cells", range=(0.02, 0.1), **fitted)
        yield Parameter("t_cell_recruitment", 0.1245, "1/day", "recruitment by a large tumour", range=(0.03, 0.3), **fitted)
        yield Parameter("t_cell_half_burden", 2.02e7, "cell", "burden that recruits half of that", range=(5e6, 1e8), **fitted)
        yield Parameter(
            "t_cell_kill", 1.1e-7, "1/(cell*day)", "kill rate of a tumour cell per T cell", range=(2e-8, 4e-7), **fitted
        )
        yield Parameter(
            "t_cell_loss", 2.5, "1/day", "death rate of T cells by the full effect of the drug",
            range=(0.1, 5.0), source="assumed: lymphocytes are as sensitive as the tumour", grade="assumed",
        )  # fmt: skip
        yield State("t_cells", "cell", "T cells at the tumour", initial=3.2e5)
        yield Process("t_cell_arrival", "recruitment", "t_cell_supply", "T cells come", enters="t_cells")
        yield Process(
            "t_cell_expansion", "recruitment", "t_cell_recruitment * burden / (t_cell_half_burden + burden) * t_cells",
            "the tumour recruits T cells", enters="t_cells",
        )  # fmt: skip
        yield Process("t_cell_death", "t_cell_death", "t_cell_death_rate * t_cells", "T cells die", leaves="t_cells")
        yield Process(
            "t_cell_loss_to_drug", "t_cell_death", f"t_cell_loss * effect_{self.killed_by} * t_cells",
            f"{self.killed_by} kills T cells", leaves="t_cells",
        )  # fmt: skip
        yield Process("kill_by_t_cells", "kill", "t_cell_kill * t_cells * active", "T cells kill tumour cells", leaves="active")
