from .explorer import engine as engine
from .explorer import study as study
