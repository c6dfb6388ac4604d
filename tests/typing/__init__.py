"""Types are tested as behaviour: mypy and pyright read these modules, nothing runs them."""
