"""What a user hands to Bennu: functions, types and options, read, checked and called."""
