"""Clinical tables under the pseudonyms and date shifts of the images: CSV in, CSV out, row by row.

What always holds: a column leaves because a rule names it and a value because it is what the rule says, and every row
that came in goes out or is counted, by its number, with a reason. No value stands in a reason, a finding or a name.
"""
