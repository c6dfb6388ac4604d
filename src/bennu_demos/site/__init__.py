"""A news site made with Django, with live articles and a bell: Bennu mounted beside Django's own pages."""
