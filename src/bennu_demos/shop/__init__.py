"""A small shop made with FastAPI, with live stock and orders: Bennu beside the shop's own pages."""
