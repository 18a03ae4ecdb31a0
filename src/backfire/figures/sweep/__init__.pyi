from .choose import draw_sweep as draw_sweep
from .choose import shipped as shipped
from .choose import sweep_figures as sweep_figures
from .slide import SweepFigure as SweepFigure
