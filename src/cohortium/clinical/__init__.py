"""Clinical data as hospitals and SDTM write them: no rule of any protocol."""
