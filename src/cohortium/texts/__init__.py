"""What a text that somebody typed may say without telling who somebody is.

It works by allowing, never by searching for names. The archive's door and the checks judge by the same words; the
de-identification, which they judge, shares no more with them than the vocabulary of `clinical`.
"""
