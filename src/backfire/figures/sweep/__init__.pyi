from .choose import draw as draw
from .choose import figures as figures
