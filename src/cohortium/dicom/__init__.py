"""The bytes: what a DICOM file is made of, read and rewritten without knowing why.

pydicom's warnings and log lines quote the values that they complain about, so none of them may surface.
"""

import logging
import warnings

logging.getLogger("pydicom").propagate = False
warnings.filterwarnings("ignore", module=r"pydicom\b")
