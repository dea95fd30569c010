"""Forms in which DICOM travels over HTTP: multipart bodies, and DICOM JSON (PS3.18)."""
