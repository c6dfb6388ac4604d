"""A scoreboard: simulated matches, whose events come from the server. A page catches up when it joins, and after a cut."""
