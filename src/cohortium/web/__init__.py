"""The archive for people and programs: a portal, and a JSON API beneath it."""
