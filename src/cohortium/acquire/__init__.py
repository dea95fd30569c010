"""Ways by which a site's data comes in. All of them end in the spool."""
