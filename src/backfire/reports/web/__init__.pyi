from .explorer import engine as engine
from .explorer import study as study
from .page import InlinePage as InlinePage
from .page import explore as explore
from .page import report as report
from .page import result_of as result_of
