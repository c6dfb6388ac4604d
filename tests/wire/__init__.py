"""The wire, from outside: one suite for four servers and two serializers."""
