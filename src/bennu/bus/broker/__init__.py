"""What all buses over a broker share. A broker is a server that passes messages on: Redis, NATS, PostgreSQL."""
