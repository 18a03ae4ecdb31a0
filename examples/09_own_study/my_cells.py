"""T cells that hold a tumour, and a brake on them that a drug calls up: a mechanism of one's own, in a plain Python file."""

from collections.abc import Iterator
from dataclasses import dataclass

from backfire import Mechanism, Parameter, Part, Process, State, option
from backfire.model import ResponseForm, excess, renewing, trigger

ORDER = {"source": "order of magnitude from Kuznetsov 1994, Bull Math Biol 56:295, a lymphoma in mice", "grade": "recalled"}
GUESS = {"source": "assumed for this example", "grade": "assumed"}


@dataclass(frozen=True)
class TCells(Mechanism):
    """T cells come to the tumour and kill it; a brake that a drug calls up exhausts them for good.

    dT/dt = s - d·T - x·(L - 1)·T        dX/dt = x·(L - 1)·T - d·X        kill of active cells A: n·T·A
    dL/dt = c·(1 + l·R - L)
    T are T cells that work, X exhausted ones, L the brake as fold over its untreated level, R the response to the drug.
    A blockade takes the excess L - 1 away. Exhausted cells do not recover; new ones come at the rate s.
    """

    label = "t_cells"

    brake: str = option("the brake on T cells", example="pd_l1")
    called_up_by: tuple[str, ...] = option("the drugs that call it up", example=("docetaxel",))
    response: ResponseForm = option("form of the response to them", default="saturating", example="saturating")

    def parts(self) -> Iterator[Part]:
        brake = self.brake
        yield Parameter("t_cell_supply", 3e4, "cell/day", "T cells that come to the tumour", (5e3, 1e5), **ORDER)
        yield Parameter("t_cell_death_rate", 0.03, "1/day", "death rate of T cells", (0.02, 0.1), **ORDER)
        yield Parameter("t_cell_kill", 7e-8, "1/(cell*day)", "kill rate of a tumour cell per T cell", (1e-8, 2e-7), **ORDER)
        yield Parameter("t_cell_exhaustion", 0.04, "1/(fold*day)", f"exhaustion rate per excess {brake}", (0.002, 0.1), **GUESS)
        yield Parameter(f"{brake}_rise", 12, "1", f"relative rise of {brake} at the full response", (2, 30), **GUESS)
        yield Parameter(f"{brake}_clearance_rate", 0.2, "1/day", f"rate at which {brake} follows the drug", (0.05, 1), **GUESS)
        yield State("t_cells", "cell", "T cells at the tumour that work", initial=1e6)
        yield State("exhausted_t_cells", "cell", "T cells at the tumour that are exhausted")
        yield Process("t_cell_arrival", "recruitment", "t_cell_supply", "T cells come", enters="t_cells")
        yield Process("t_cell_death", "t_cell_death", "t_cell_death_rate * t_cells", "T cells die", leaves="t_cells")
        yield Process(
            "exhausted_t_cell_death", "t_cell_death", "t_cell_death_rate * exhausted_t_cells",
            "exhausted T cells die", leaves="exhausted_t_cells",
        )  # fmt: skip
        yield Process(
            "exhaustion", "exhaustion", f"t_cell_exhaustion * excess_{brake} * t_cells",
            f"{brake} exhausts T cells", leaves="t_cells", enters="exhausted_t_cells",
        )  # fmt: skip
        yield Process("kill_by_t_cells", "t_cell_kill", "t_cell_kill * t_cells * active", "T cells kill", leaves="active")
        # what shipped mechanisms of the host are made of, too: an answer to a drug, a factor that follows it, and its excess,
        # which a blockade takes away
        yield from trigger("brake_response", self.called_up_by, self.response, half=1.0)
        level = f"fold * (1 + {brake}_rise * brake_response)"
        yield from renewing(State(brake, "fold", f"{brake} over its untreated level", 1.0), level, f"{brake}_clearance_rate")
        yield excess(brake)
