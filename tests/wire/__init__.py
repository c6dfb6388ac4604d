"""The wire, from outside: one suite, four servers, two serializers."""
