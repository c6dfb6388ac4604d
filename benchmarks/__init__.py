"""What Bennu costs: load tests against the floor of the machine. See README.md."""
