from .omex import default_arm as default_arm
from .omex import export as export
