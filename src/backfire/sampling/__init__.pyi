from .designs import Axis as Axis
from .designs import Design as Design
from .designs import Grid as Grid
from .designs import LatinHypercube as LatinHypercube
from .designs import Morris as Morris
from .designs import Sobol as Sobol
from .designs import Table as Table
from .designs import permuted as permuted
