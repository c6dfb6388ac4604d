"""Ready-made authentication of clients: JSON Web Tokens and session cookies."""
