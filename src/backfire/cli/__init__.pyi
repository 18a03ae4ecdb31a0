from .app import main as main
from .interruption import listen as listen
