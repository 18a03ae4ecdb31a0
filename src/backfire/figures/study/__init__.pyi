from .response import response_plots as response_plots
from .survival import SurvivalLine as SurvivalLine
from .survival import survival_curves as survival_curves
from .twins import TwinPanel as TwinPanel
from .twins import twin_gains as twin_gains
