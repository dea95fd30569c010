"""Clinical tables of SDTM as rows of the store: read where a file of one is admitted, kept for each version of it.

A table is its bytes: rows belong to a project and a digest, so a frozen dataset version finds exactly the rows of the
files in it. A row belongs to a USUBJID, and through that to the subject whose PatientID is the same, once there is one.
"""
