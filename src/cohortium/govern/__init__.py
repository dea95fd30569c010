"""Who may do what: people, their logins, their roles in projects. Nothing is allowed that is not granted here."""
