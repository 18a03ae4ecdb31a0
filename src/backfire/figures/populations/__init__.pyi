from .bands import BAND_LEVELS as BAND_LEVELS
from .bands import population_courses as population_courses
from .bands import shown_courses as shown_courses
from .marginals import population_marginals as population_marginals
from .message import population_message as population_message
from .narrowed import Narrowed as Narrowed
