from .endpoints import Criteria as Criteria
from .figures import trial_figures as trial_figures
from .spec import TrialSpec as TrialSpec
from .tables import arm_rows as arm_rows
from .tables import comparison_rows as comparison_rows
from .tables import gaining_lines as gaining_lines
from .tables import needed_lines as needed_lines
from .tables import response_rows as response_rows
