"""Pages for people: Jinja templates, plain JavaScript modules and CSS, nothing from outside."""
