from .exporting import default_arm as default_arm
from .exporting import export as export
from .exporting import renamed_ids as renamed_ids
from .formats import Format as Format
from .formats import format_named as format_named
from .formats import format_names as format_names
from .sbml_import import Imported as Imported
from .sbml_import import from_sbml as from_sbml
