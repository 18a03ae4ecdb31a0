from .front import Front as Front
from .front import Point as Point
from .front import front_data as front_data
from .front import trade_off as trade_off
from .optimum import Optimum as Optimum
from .optimum import optimise as optimise
from .optimum import optimum_data as optimum_data
from .search import search_for as search_for
