"""Ready-made ways to learn who a client is: JSON Web Tokens and session cookies."""
