from .code import javascript as javascript
from .code import javascript_formula as javascript_formula
from .code import solver_source as solver_source
